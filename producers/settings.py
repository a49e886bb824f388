"""Settings of the producers themselves; each source has its own."""

from pydantic import Field

from shared.settings import Settings


class ProducerSettings(Settings):
    """Bounds of publishing, and what is read where the command does not say."""

    producer_reject_share_max: float = Field(
        0.5, gt=0, le=1, description="a file with a greater share of refused rows (of more than 1,000) is given up"
    )
    producer_delivery_seconds: float = Field(
        300.0, gt=0, description="how long Kafka may be silent before a producer ends; started again, it resumes"
    )
    macro_series: str = Field(
        "GDPC1,CPIAUCSL,FEDFUNDS,DGS10,DGS2,T10Y2Y,UNRATE,VIXCLS", description="what is read from FRED"
    )
