"""The words of a blood smear: what is found on a field, and what a white cell may be."""

from __future__ import annotations

from coread.domain.codes import Code

# Cells by SNOMED CT; concepts for which no code could be looked up bear one of this house.
LEUKOCYTE = Code("52501007", "SCT", "Leukocyte", "白细胞")
ERYTHROCYTE = Code("41898006", "SCT", "Erythrocyte", "红细胞")
PLATELET = Code("16378004", "SCT", "Thrombocyte", "血小板")

NEUTROPHIL = Code("neutrophil", "99COREAD", "Neutrophil, band or segmented", "中性粒细胞（杆状核与分叶核）")
IMMATURE_GRANULOCYTE = Code("immature-granulocyte", "99COREAD", "Immature granulocyte", "未成熟粒细胞")
LYMPHOCYTE = Code("56972008", "SCT", "Lymphocyte", "淋巴细胞")
MONOCYTE = Code("55918008", "SCT", "Monocyte", "单核细胞")
EOSINOPHIL = Code("14793004", "SCT", "Eosinophil, segmented", "嗜酸性粒细胞")
BASOPHIL = Code("30061004", "SCT", "Basophil, segmented", "嗜碱性粒细胞")
ERYTHROBLAST = Code("nucleated-erythrocyte", "99COREAD", "Nucleated erythrocyte", "有核红细胞")
UNCLASSIFIED = Code("unclassified-cell", "99COREAD", "Nucleated cell, not classified", "未分类有核细胞")

COUNTABLE_FIELD = Code(
    "countable-field",
    "99COREAD",
    "Blood smear field on which white cells can be counted",
    "可计数白细胞的血涂片视野",
)
"""The finding of the reader: whether its count of this field can be relied on."""

KINDS = (LEUKOCYTE, ERYTHROCYTE, PLATELET)
"""What the detector finds, in the order of its maps."""

CLASSES = {
    "basophil": BASOPHIL,
    "eosinophil": EOSINOPHIL,
    "erythroblast": ERYTHROBLAST,
    "ig": IMMATURE_GRANULOCYTE,
    "lymphocyte": LYMPHOCYTE,
    "monocyte": MONOCYTE,
    "neutrophil": NEUTROPHIL,
    "platelet": PLATELET,
}
"""What the classifier tells apart, by the training set's label, in the order of its logits."""

DIFFERENTIAL = tuple(name for name in CLASSES if name not in {"erythroblast", "platelet"})
"""Classes that make up the 100 % of a leukocyte differential. Nucleated red cells are counted beside it and
platelets not at all (CLSI H20-A2, Reference Leukocyte Differential Count, 2007)."""
