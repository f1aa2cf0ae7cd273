"""The words of a signed report around what the doctor signed, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from coread.domain.codes import Code
from coread.domain.finding import Confidence, Presence
from coread.domain.review import RejectReason, Verdict
from coread.results.signed.facts import Assessed
from coread.results.wording import PRESENCE_CODES

#: The house's own scheme: DICOM and SNOMED CT have no concept for what a doctor says of a finding of AI.
SCHEME = "99COREAD"
VERDICT = Code("verdict", SCHEME, "Doctor's verdict on a finding of AI", "医师对AI发现的结论")
REASON = Code("reason", SCHEME, "Reason for rejecting a finding of AI", "否定AI发现的原因")
OWN = Code("own", SCHEME, "Added by the doctor", "医师补充")

VERDICTS: Mapping[Verdict, Code] = {
    Verdict.ACCEPTED: Code("accepted", SCHEME, "Accepted", "采纳"),
    Verdict.EDITED: Code("edited", SCHEME, "Accepted after editing", "修改后采纳"),
    Verdict.REJECTED: Code("rejected", SCHEME, "Rejected", "否定"),
}
REASONS: Mapping[RejectReason, Code] = {
    RejectReason.NOT_PRESENT: Code("not-present", SCHEME, "Finding is not present", "该征象不存在"),
    RejectReason.WRONG_PLACE: Code("wrong-place", SCHEME, "Wrong place", "位置错误"),
    RejectReason.WRONG_LABEL: Code("wrong-label", SCHEME, "Wrong kind of finding", "征象类别错误"),
    RejectReason.ARTEFACT: Code("artefact", SCHEME, "Artefact", "伪影"),
    RejectReason.NORMAL_VARIANT: Code("normal-variant", SCHEME, "Normal variant", "正常变异"),
    RejectReason.KNOWN_BEFORE: Code("known-before", SCHEME, "Known from before", "既往已知"),
    RejectReason.NOT_RELEVANT: Code("not-relevant", SCHEME, "Not relevant", "无临床意义"),
    RejectReason.IMAGE_QUALITY: Code("image-quality", SCHEME, "Insufficient image quality", "图像质量不足"),
    RejectReason.OTHER: Code("other", SCHEME, "Other reason", "其他原因"),
}

#: What stands on paper, by key: (English, Chinese).
_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Diagnostic imaging report", "医学影像诊断报告"),
    "addendum": ("Addendum", "补充报告"),
    "addendum_to": (
        "Addendum {number} to the report signed by {name} on {time}",
        "对{name}于{time}签署的报告的第{number}次补充",
    ),
    "addendum_note": (
        "The earlier report is kept unchanged and printed below; where they differ, the addendum holds.",
        "原报告保留不变，并附于下文；如有不同，以本补充报告为准。",
    ),
    "earlier": ("Earlier report, signed by {name} on {time}", "原报告，由{name}于{time}签署"),
    "PatientName": ("Patient", "姓名"),
    "PatientID": ("Patient ID", "患者编号"),
    "PatientSex": ("Sex", "性别"),
    "PatientBirthDate": ("Date of birth", "出生日期"),
    "PatientAge": ("Age", "年龄"),
    "AccessionNumber": ("Accession no.", "检查号"),
    "StudyDate": ("Examined on", "检查日期"),
    "Modality": ("Modality", "检查方式"),
    "BodyPartExamined": ("Body part", "检查部位"),
    "StudyDescription": ("Examination", "检查项目"),
    "ReferringPhysicianName": ("Referred by", "申请医师"),
    "InstitutionName": ("Institution", "机构"),
    "technique": ("Technique", "检查技术"),
    "indication": ("Indication", "临床指征"),
    "history": ("History", "病史"),
    "comparison": ("Comparison", "对比检查"),
    "findings": ("Findings", "影像所见"),
    "impression": ("Impression", "诊断意见"),
    "recommendation": ("Recommendation", "建议"),
    "ai": ("Findings of AI readers and the doctor's verdict", "AI发现及医师结论"),
    "ai_none": ("No AI reader reported a finding on this study.", "AI未对本次检查报告任何发现。"),
    "number": ("No.", "序号"),
    "finding": ("What the reader found", "AI发现"),
    "reader": ("Reader", "AI软件"),
    "probability": ("Probability [interval]", "概率［区间］"),
    "verdict": ("Doctor's verdict", "医师结论"),
    "mark_note": (
        "A line marked AI rests on the finding of this number, which the doctor accepted or edited. All "
        "other lines are the doctor's own or come from the report's template.",
        "标有“AI”及序号的语句依据相应的AI发现，已由医师采纳或修改；其余语句由医师撰写或来自报告模板。",
    ),
    "research": (
        "The AI readers are for research use and not cleared as medical devices. Evidence: {evidence}. "
        "The verdicts above are those of the doctor who signed.",
        "AI软件仅供研究使用，未获医疗器械注册。证据等级：{evidence}。以上结论由签署医师作出。",
    ),
    "signed": ("Electronically signed by", "电子签名"),
    "signed_at": ("Signed on", "签署时间"),
    "organization": ("Organization", "机构"),
    "report_id": ("Report UID", "报告标识"),
    "digest": ("SHA-256 of the signed words", "签署文本的SHA-256"),
    "page": ("Page {page} of {pages}", "第{page}页 共{pages}页"),
    "M": ("Male", "男"),
    "F": ("Female", "女"),
    "O": ("Other", "其他"),
    "Y": ("{n} years", "{n}岁"),
    "month": ("{n} months", "{n}月"),
    "W": ("{n} weeks", "{n}周"),
    "D": ("{n} days", "{n}天"),
    "human_trial": ("trial with patients", "临床试验"),
    "retrospective": ("retrospective study", "回顾性研究"),
    "simulated": ("simulated data", "模拟数据"),
    "synthetic": ("synthetic data", "合成数据"),
    "unknown": ("not stated", "未注明"),
    "read": ("read", "已判读"),
    "abstained": ("abstained", "放弃判读"),
    "refused": ("refused to read", "拒绝判读"),
    "failed": ("failed", "判读失败"),
    "no_findings": ("no finding", "无发现"),
    "undecided": ("Not decided on", "未作判定"),
    "reader_said": ("The reader had said", "AI原结论"),
}  # fmt: skip


def say(key: str, language: str, **values: object) -> str:
    """Return a phrase in Chinese for ``zh``, else in English; an unknown key is shown as it is.

    Examples
    --------
    >>> say("page", "zh", page=1, pages=2), say("chest-tube", "en")
    ('第1页 共2页', 'Chest tube')
    """
    if key not in _WORDS:
        return key.replace("-", " ").replace("_", " ").capitalize()
    return _WORDS[key][is_chinese(language)].format(**values)


def is_chinese(language: str) -> bool:
    """Whether a report's language is Chinese."""
    return language.partition("-")[0].lower() == "zh"


def named(code: Code, language: str) -> str:
    """Return what a code means, in the language where it is known."""
    return (code.meaning_zh or code.meaning) if is_chinese(language) else code.meaning


def stated(code: Code, presence: Presence, language: str) -> str:
    """Say what is there or not.

    Examples
    --------
    >>> stated(Code("112001", "DCM", "Opacity", "肺部致密影"), Presence.PRESENT, "zh")
    '肺部致密影：存在'
    """
    colon = "：" if is_chinese(language) else ": "
    return f"{named(code, language)}{colon}{named(PRESENCE_CODES[presence], language).lower()}"


def probable(confidence: Confidence) -> str:
    """Write a probability with its interval, without words.

    Examples
    --------
    >>> probable(Confidence(0.8312, 0.7, 0.9))
    '0.83 [0.70–0.90]'
    """
    return f"{confidence.probability:.2f} [{confidence.lower:.2f}–{confidence.upper:.2f}]"


def judged(assessed: Assessed, language: str) -> str:
    """Say the doctor's verdict, with its reason and comment.

    Examples
    --------
    ``Rejected: artefact (skin fold)``
    """
    decision = assessed.decision
    if decision.verdict is None:
        return named(OWN, language)
    said = named(VERDICTS[decision.verdict], language)
    colon, left, right = ("：", "（", "）") if is_chinese(language) else (": ", " (", ")")
    if decision.reason is not None:
        reason = named(REASONS[decision.reason], language)
        said += f"{colon}{reason if is_chinese(language) else reason.lower()}"
    return f"{said}{left}{decision.comment}{right}" if decision.comment else said


def plain_name(person_name: str) -> str:
    """Write a typed name as a person name of DICOM (PN), whole in the first component.

    Which of its words is the family name is not known; the caret says that this is meant so.

    Examples
    --------
    >>> plain_name("LI Wei=李伟"), len(plain_name("x" * 99))
    ('LI Wei 李伟^', 64)
    """
    words = "".join(" " if c in "^=\\" or not c.isprintable() else c for c in person_name).split()
    return f"{' '.join(words)[:63].strip() or 'Unnamed'}^"
