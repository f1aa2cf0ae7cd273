"""Where cohorts come from: published sets, folders of DICOM files, the archive's consented studies."""

from coread.learning.cohorts.sources.published import PUBLISHED, published

__all__ = ["PUBLISHED", "published"]
