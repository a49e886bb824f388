#!/bin/sh
# Make /opt/venv with the packages of one requirements file, by hash and from wheels only, without what only
# developers of those packages need.
set -eu
python -m venv --without-pip /opt/venv
python -m pip --python /opt/venv/bin/python install --quiet --require-hashes --only-binary :all: --no-compile -r "$1"
site=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Tests, C headers and Cython sources: a third of the large ones. numpy's tests stay, its own testing module needs one.
for package in pandas pyarrow scipy sklearn lightgbm onnx; do
    if [ -d "$site/$package" ]; then
        find "$site/$package" -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
        find "$site/$package" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h' \) -delete
    fi
done
/opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site" >/dev/null || true
rm -rf /opt/venv/include /opt/venv/bin/*ctivate*
