# ruff: noqa: E501 - sentences are kept whole
"""A plan in plain words, in English and Chinese, for the officer who has to decide."""

from __future__ import annotations

from coread.learning.federated.plan.plan import Plan

LANGUAGES = ("en", "zh")


def in_words(plan: Plan, language: str = "en") -> str:
    """Say what a plan means for a site.

    Parameters
    ----------
    plan
        Any.
    language
        ``en`` or ``zh``.

    Raises
    ------
    ValueError
        If the language is another.
    """
    if language not in LANGUAGES:
        raise ValueError(f"expected one of {', '.join(LANGUAGES)}, found {language!r}")
    return "\n".join((_chinese if language == "zh" else _english)(plan))


def _english(plan: Plan) -> list[str]:
    hidden, noise = plan.privacy.secure_aggregation, plan.privacy.differential
    return [
        f"{plan.title['en']}",
        f"What it is for: {plan.purpose['en']}",
        f"What is asked of this site: {', '.join(plan.needs)}; {_query(plan) or 'all such patients'}. "
        f"At least {plan.least_cases} training patients.",
        f"What happens: in {plan.rounds} rounds the model comes here, is trained on this site's patients and "
        "its change goes back. Images, reports and names never leave.",
        _leaves_en(plan),
        *_also_en(plan),
        "Nobody but this site sees its own change: the coordinator learns the sum of all sites only, as long "
        f"as it keeps to the protocol and works together with fewer than {plan.privacy.threshold} sites."
        if hidden
        else "The coordinator sees this site's change as it is. From it, something about the training "
        "patients could be inferred; this plan does not hide it.",
        f"Differential privacy is on: {_facts(noise)}."
        if noise
        else "Differential privacy is off: the finished model itself gives no proven protection.",
        f"Who takes part: {', '.join(plan.sites)}. A round is made of at least {plan.least_sites} sites.",
        "You may stop at any time (coread-lab site stop): nothing more leaves after that, and later rounds "
        "are made without this site. What went into earlier rounds cannot be taken out of the model.",
        f"Code: CoRead {plan.versions.get('coread', '?')}, SHA-256 {plan.code_sha256[:16]}…; other code is "
        "refused. Nothing that the coordinator sends is run as a program.",
        f"The plan's SHA-256, which is what you approve: {plan.sha256}",
    ]


def _leaves_en(plan: Plan) -> str:
    if plan.privacy.secure_aggregation:
        return (
            "What leaves: the change of the model under masks, and at the end figures of quality on held-out "
            "patients (such as areas under the curve and numbers of cases)."
        )
    return (
        "What leaves: the change of the model, the number of training examples, the training loss, and at "
        "the end figures of quality on held-out patients (such as areas under the curve, numbers of cases)."
    )


def _also_en(plan: Plan) -> list[str]:
    packed = (
        "For a bundle that clinics can install there also leave: the two numbers of this site's line from "
        "score to probability with their spread, the mean and spread of what the network sees of this site's "
        "images, and how the finished model does on this site's test patients, beside the site's own model. "
        "Numbers under 11, and figures made of so few, do not leave. Differential privacy does not cover these."
    )
    compared = (
        "To tell what each site is worth, the model is also trained by every group of the sites, as often and "
        f"as long; each group's model is measured here on validation patients ({plan.contribution}). The "
        "statement is computed here once more and signed if it is the same."
    )
    return [*([packed] if plan.pack else []), *([compared] if plan.contribution else [])]


def _also_zh(plan: Plan) -> list[str]:
    packed = (
        "为制作可安装的模型包，还会送出：本院“分数到概率”直线的两个数及其离散程度、网络所见特征的均值与离散程度，"
        "以及最终模型与本院自有模型在本院测试患者上的表现。小于11的数及由其得出的指标不送出；差分隐私不覆盖这些内容。"
    )
    compared = (
        "为说明各院贡献，还会由每一种医院组合以同样次数训练模型，并在本院验证患者上评测"
        f"（{plan.contribution}）。贡献说明由本院重新计算，一致方予签名。"
    )
    return [*([packed] if plan.pack else []), *([compared] if plan.contribution else [])]


def _chinese(plan: Plan) -> list[str]:
    hidden, noise = plan.privacy.secure_aggregation, plan.privacy.differential
    return [
        f"{plan.title['zh']}",
        f"目的：{plan.purpose['zh']}",
        f"需要本院提供：{'、'.join(plan.needs)}；{_query(plan) or '全部此类患者'}。"
        f"至少 {plan.least_cases} 名训练患者。",
        f"过程：共 {plan.rounds} 轮。每轮模型来到本院，用本院患者训练，只把模型的变化送回。"
        "影像、报告和姓名从不离开本院。",
        "离开本院的内容："
        + ("加掩码后的模型变化" if hidden else "模型变化、训练样本数、训练损失")
        + "；结束时还有留出患者上的质量指标（如曲线下面积和病例数）。",
        *_also_zh(plan),
        "除本院外无人能看到本院的变化：协调方只得到各院之和，前提是它遵守协议，"
        f"且与之串通的医院少于 {plan.privacy.threshold} 家。"
        if hidden
        else "协调方能直接看到本院的模型变化，由此可能推断出训练患者的某些信息；本计划不予隐藏。",
        f"差分隐私：开启（{_facts(noise)}）。" if noise else "差分隐私：关闭。最终模型本身没有可证明的保护。",
        f"参加方：{'、'.join(plan.sites)}。每轮至少 {plan.least_sites} 家。",
        "您可随时退出（coread-lab site stop）：此后不再有任何内容离开，以后各轮不含本院；"
        "已计入以前各轮的部分无法从模型中取出。",
        f"代码：CoRead {plan.versions.get('coread', '?')}，SHA-256 {plan.code_sha256[:16]}…；代码不同则拒绝。"
        "协调方发来的任何内容都不会被当作程序运行。",
        f"您批准的是这份计划的 SHA-256：{plan.sha256}",
    ]


def _query(plan: Plan) -> str:
    return _facts(plan.query)


def _facts(held: object) -> str:
    return ", ".join(f"{name} = {value}" for name, value in dict(held).items())  # type: ignore[call-overload]
