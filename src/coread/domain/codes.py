"""Coded concepts, as DICOM and FHIR write them (PS3.3 section 8, PS3.16)."""

from __future__ import annotations

from dataclasses import dataclass

#: DICOM coding scheme designators and the FHIR system that means the same (PS3.16 table 8-1).
FHIR_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "LN": "http://loinc.org",
    "RADLEX": "http://www.radlex.org",
    "99COREAD": "urn:coread:codes",
}


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept.

    Examples
    --------
    >>> CONSOLIDATION.value, CONSOLIDATION.scheme
    ('95436008', 'SCT')
    """

    value: str
    """Code Value (0008,0100)."""
    scheme: str
    """Coding Scheme Designator (0008,0102)."""
    meaning: str
    """Code Meaning (0008,0104), English."""
    meaning_zh: str = ""
    """The same in Chinese, for people only; never written into a coded element."""

    def __post_init__(self) -> None:
        if not (self.value and self.scheme and self.meaning):
            raise ValueError(f"A code needs value, scheme and meaning, got {self!r}.")


# Findings. SNOMED CT concept identifiers as used in PS3.16.
CONSOLIDATION = Code("95436008", "SCT", "Lung consolidation", "肺实变")
PNEUMONIA = Code("233604007", "SCT", "Pneumonia", "肺炎")
LUNG_OPACITY = Code("128477000", "SCT", "Abnormal opacity of lung", "肺部异常密度影")
LUNG_NODULE = Code("27925004", "SCT", "Nodule", "结节")

# Sites.
LUNG = Code("39607008", "SCT", "Lung structure", "肺")
CHEST = Code("51185008", "SCT", "Chest", "胸部")

# Presence, with the qualifier concepts of RSNA's common data elements.
PRESENT = Code("52101004", "SCT", "Present", "存在")
ABSENT = Code("2667000", "SCT", "Absent", "不存在")
INDETERMINATE = Code("82334004", "SCT", "Indeterminate", "不确定")

# Measured quantities and units.
PROBABILITY = Code("122157", "DCM", "Probability", "概率")
SALIENCY = Code("130404", "DCM", "Saliency", "显著性")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence", "人工智能")
NO_UNITS = Code("1", "UCUM", "no units", "无单位")
