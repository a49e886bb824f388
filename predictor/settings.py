"""Settings of the predictor."""

from pydantic import Field

from shared.settings import Settings


class PredictorSettings(Settings):
    """Where the predictor listens, and how much it keeps."""

    predictor_host: str = "127.0.0.1"
    predictor_port: int = Field(8080, ge=0, le=65535, description="0: a free one, told in the heartbeat's detail")
    predictor_keep: int = Field(240, ge=1, le=100_000, description="newest answers and closes kept a ticker")
    predictor_load_threads: int = Field(2, ge=1, le=64, description="bundles that are loaded at once at the start")
    predictor_retry_seconds: float = Field(30.0, gt=0, description="a bundle that failed is tried again after so long")
    predictor_streams: int = Field(200, ge=1, description="open event streams at most")
    predictor_max_body_mib: int = Field(8, ge=1, le=256)
    predictor_jobs_seconds: float = Field(1.0, gt=0, description="how often training jobs are looked at in PostgreSQL")
