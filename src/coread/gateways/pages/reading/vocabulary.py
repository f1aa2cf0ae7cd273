"""Words that a doctor finds quickly when stating a finding; any other may be typed.

SNOMED CT codes and meanings as in DICOM PS3.16 (a test holds them against pydicom's copy of it); DCM codes of
PS3.16 annex D. Typed words become a code of the private scheme ``99COREAD``.
"""

from __future__ import annotations

from typing import Any, Final

from coread.domain import codes
from coread.domain.codes import Code
from coread.gateways.pages.reading.as_json import plain

FINDINGS: Final = (
    codes.LUNG_OPACITY,
    codes.CONSOLIDATION,
    codes.PNEUMONIA,
    codes.LUNG_NODULE,
    Code("36118008", "SCT", "Pneumothorax", "气胸"),
    Code("60046008", "SCT", "Pleural effusion", "胸腔积液"),
    Code("19242006", "SCT", "Pulmonary edema", "肺水肿"),
    Code("59282003", "SCT", "Pulmonary embolism", "肺栓塞"),
    Code("373945007", "SCT", "Pericardial effusion", "心包积液"),
    Code("40779009", "SCT", "Plate-like atelectasis", "盘状肺不张"),
    Code("112120", "DCM", "Ground glass opacity", "磨玻璃密度影"),
    Code("112121", "DCM", "Infiltrate", "浸润影"),
    Code("112067", "DCM", "Nodular pattern", "结节状影"),
    Code("4147007", "SCT", "Mass", "肿块"),
    Code("30746006", "SCT", "Lymphadenopathy", "淋巴结肿大"),
    Code("367643001", "SCT", "Cyst", "囊肿"),
    Code("50960005", "SCT", "Hemorrhage", "出血"),
    Code("112674009", "SCT", "Fibrosis", "纤维化"),
)

SITES: Final = (
    codes.LUNG,
    codes.CHEST,
    Code("45653009", "SCT", "Upper lobe of lung", "肺上叶"),
    Code("72481006", "SCT", "Middle lobe of right lung", "右肺中叶"),
    Code("90572001", "SCT", "Lower lobe of lung", "肺下叶"),
    Code("46750007", "SCT", "Hilum of lung", "肺门"),
    Code("72410000", "SCT", "Mediastinum", "纵隔"),
    Code("5798000", "SCT", "Diaphragm", "膈肌"),
    Code("44567001", "SCT", "Trachea", "气管"),
    Code("113197003", "SCT", "Rib", "肋骨"),
    Code("51299004", "SCT", "Clavicle", "锁骨"),
    Code("818981001", "SCT", "Abdomen", "腹部"),
    Code("816092008", "SCT", "Pelvis", "盆腔"),
    Code("16982005", "SCT", "Shoulder", "肩部"),
    Code("72696002", "SCT", "Knee", "膝部"),
)

#: Kind of the viewer's measurement to the quantity that its value is.
QUANTITIES: Final = {
    "length": Code("410668003", "SCT", "Length", "长度"),
}

UNITS: Final = (codes.MILLIMETRE, codes.PIXELS)


def vocabulary() -> dict[str, Any]:
    """Write the words as the study page wants them."""
    return {
        "findings": plain(FINDINGS),
        "sites": plain(SITES),
        "quantities": plain(QUANTITIES),
        "units": plain(UNITS),
    }
