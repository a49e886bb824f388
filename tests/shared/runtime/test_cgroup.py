"""Limits of a container, as the kernel writes them: control groups of both versions."""

from pathlib import Path

from shared.runtime.cgroup import Usage, read_usage

V2 = {
    "cgroup.controllers": "cpu memory pids",
    "memory.max": "671088640",
    "memory.current": "104857600",
    "memory.stat": "anon 1\ninactive_file 4857600\nactive_file 2",
    "cpu.max": "150000 100000",
    "cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000",
    "pids.max": "128",
    "pids.current": "9",
}
V1 = {
    "memory/memory.limit_in_bytes": "671088640",
    "memory/memory.usage_in_bytes": "104857600",
    "memory/memory.stat": "inactive_file 7\ntotal_inactive_file 4857600",
    "cpu/cpu.cfs_quota_us": "150000",
    "cpu/cpu.cfs_period_us": "100000",
    "cpu/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000",
    "pids/pids.max": "128",
    "pids/pids.current": "9",
}
LIMITED = Usage(671088640, 100_000_000, 1.5, 2.5, 128, 9)


def tree(root: Path, files: dict[str, str], membership: str) -> tuple[Path, Path]:
    for name, text in files.items():
        path = root / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    root.mkdir(exist_ok=True)
    (root / "cgroup").write_text(membership)
    return root / "fs", root / "cgroup"


def test_version_2_inside_a_container(tmp_path: Path) -> None:
    assert read_usage(*tree(tmp_path, V2, "0::/\n")) == LIMITED


def test_version_2_in_a_group_below(tmp_path: Path) -> None:
    below = {f"system.slice/x.service/{name}": text for name, text in V2.items()}
    files = {"cgroup.controllers": "cpu", **below}
    assert read_usage(*tree(tmp_path, files, "0::/system.slice/x.service\n")) == LIMITED


def test_version_1_inside_a_container(tmp_path: Path) -> None:
    membership = "5:pids:/docker/abc\n4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n"
    assert read_usage(*tree(tmp_path, V1, membership)) == LIMITED


def test_without_limits_there_are_none(tmp_path: Path) -> None:
    v2 = V2 | {"memory.max": "max", "cpu.max": "max 100000", "pids.max": "max"}
    v1 = V1 | {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "cpu/cpu.cfs_quota_us": "-1",
        "pids/pids.max": "max",
    }
    for name, files in (("two", v2), ("one", v1)):
        found = read_usage(*tree(tmp_path / name, files, ""))
        assert (found.memory_limit, found.cpu_limit, found.pids_limit) == (None, None, None)
        assert (found.memory, found.throttled, found.pids) == (100_000_000, 2.5, 9)


def test_where_there_are_no_groups_nothing_is_told(tmp_path: Path) -> None:
    assert read_usage(tmp_path / "none", tmp_path / "nothing") == Usage()
