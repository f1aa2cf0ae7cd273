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
    "99COREAD": "urn:coread:concepts",
    "UMLS": "http://terminology.hl7.org/CodeSystem/umls",
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


# Findings: SNOMED CT as in PS3.16, or DCM where SNOMED CT has no fitting concept.
CONSOLIDATION = Code("95436008", "SCT", "Lung consolidation", "肺实变")
PNEUMONIA = Code("233604007", "SCT", "Pneumonia", "肺炎")
#: PS3.16 annex D; its site (`LUNG`) says where.
LUNG_OPACITY = Code("112001", "DCM", "Opacity", "肺部致密影")
LUNG_NODULE = Code("27925004", "SCT", "Nodule", "结节")

# Categories and sites.
MORPHOLOGIC_ABNORMALITY = Code("49755003", "SCT", "Morphologically Abnormal Structure", "形态异常结构")
LUNG = Code("39607008", "SCT", "Lung", "肺")
CHEST = Code("816094009", "SCT", "Chest", "胸部")

# Presence, with the qualifier concepts of RSNA's common data elements.
PRESENCE = Code("121052", "DCM", "Presence of property", "有无")
PRESENT = Code("52101004", "SCT", "Present", "存在")
ABSENT = Code("2667000", "SCT", "Absent", "不存在")
INDETERMINATE = Code("82334004", "SCT", "Indeterminate", "不确定")

# Measured quantities and units.
PROBABILITY = Code("122157", "DCM", "Probability", "概率")
SALIENCY = Code("130404", "DCM", "Saliency", "显著性")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence", "人工智能")
NO_UNITS = Code("1", "UCUM", "no units", "无单位")
PIXELS = Code("{pixels}", "UCUM", "pixels", "像素")
MILLIMETRE = Code("mm", "UCUM", "mm", "毫米")
CUBIC_MILLIMETRE = Code("mm3", "UCUM", "cubic millimeter", "立方毫米")
PERCENT = Code("%", "UCUM", "Percent", "%")
COUNTS = Code("{counts}", "UCUM", "Counts", "个")
LONG_AXIS = Code("103339001", "SCT", "Long axis", "长径")
SHORT_AXIS = Code("103340004", "SCT", "Short axis", "短径")
DIAMETER = Code("81827009", "SCT", "Diameter", "直径")
VOLUME = Code("118565006", "SCT", "Volume", "体积")

# Characteristics of a lesion (PS3.16 annex D), and values that they may take.
TEXTURE = Code("112010", "DCM", "Texture Descriptor", "质地")
MARGINS = Code("111037", "DCM", "Margins", "边缘")
CALCIFICATION = Code("112030", "DCM", "Calcification Descriptor", "钙化")
GROUND_GLASS = Code("112120", "DCM", "Ground glass opacity", "磨玻璃")
SPICULATED = Code("112136", "DCM", "Spiculated", "毛刺")
LOBULATED = Code("112135", "DCM", "Lobulated", "分叶")
SMOOTH = Code("82280004", "SCT", "Smooth", "光滑")
CALCIFIED = Code("237897009", "SCT", "Calcified", "钙化")
NON_CALCIFIED = Code("17589002", "SCT", "non-calcified", "无钙化")
#: PS3.16 has no code for these two; SNOMED CT and RadLex do not part them by composition alone.
SOLID = Code("solid", "99COREAD", "Solid", "实性")
PART_SOLID = Code("part-solid", "99COREAD", "Part-solid", "部分实性")

# Words of reports (PS3.16 annex D and TID 1500).
DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report", "影像检查报告")
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure", "影像检查")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations", "定性评价")
SUMMARY_OF_ANALYSES = Code("111065", "DCM", "Summary of Analyses", "分析小结")
SUCCEEDED = Code("111222", "DCM", "Succeeded", "成功")
PARTIALLY_SUCCEEDED = Code("111223", "DCM", "Partially Succeeded", "部分成功")
FAILED = Code("111224", "DCM", "Failed", "失败")
NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted", "未进行")
COMMENT = Code("121106", "DCM", "Comment", "备注")
SUMMARY = Code("121111", "DCM", "Summary", "小结")
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report", "影像测量报告")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements", "影像测量")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library", "图像库")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group", "图像库分组")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported", "报告的检查")
MODALITY = Code("121139", "DCM", "Modality", "检查方式")
PIXEL_DATA_ROWS = Code("110910", "DCM", "Pixel Data Rows", "像素行数")
PIXEL_DATA_COLUMNS = Code("110911", "DCM", "Pixel Data Columns", "像素列数")
HORIZONTAL_PIXEL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing", "水平像素间距")
VERTICAL_PIXEL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing", "垂直像素间距")
DEVICE = Code("121007", "DCM", "Device", "设备")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment", "处理设备")

#: What Modality (0008,0060) means, for the modalities of PS3.3 section C.7.3.1.1.1 that bear pixels.
MODALITIES = {
    "CR": Code("CR", "DCM", "Computed Radiography", "计算机X线摄影"),
    "CT": Code("CT", "DCM", "Computed Tomography", "计算机断层摄影"),
    "DX": Code("DX", "DCM", "Digital Radiography", "数字X线摄影"),
    "ES": Code("ES", "DCM", "Endoscopy", "内镜"),
    "GM": Code("GM", "DCM", "General Microscopy", "普通显微镜"),
    "MG": Code("MG", "DCM", "Mammography", "乳腺X线摄影"),
    "MR": Code("MR", "DCM", "Magnetic Resonance", "磁共振"),
    "NM": Code("NM", "DCM", "Nuclear Medicine", "核医学"),
    "OP": Code("OP", "DCM", "Ophthalmic Photography", "眼科摄影"),
    "OT": Code("OT", "DCM", "Other", "其他"),
    "PT": Code("PT", "DCM", "Positron emission tomography", "正电子发射断层摄影"),
    "RF": Code("RF", "DCM", "Radiofluoroscopy", "X线透视"),
    "SM": Code("SM", "DCM", "Slide Microscopy", "玻片显微镜"),
    "US": Code("US", "DCM", "Ultrasound", "超声"),
    "XA": Code("XA", "DCM", "X-Ray Angiography", "X线血管造影"),
    "XC": Code("XC", "DCM", "External-camera Photography", "体表摄影"),
}
