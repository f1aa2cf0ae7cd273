// The auditor's page: the proof of the ledger, asked for and shown.
import "./page.js";
import { send } from "./api.js";
import { fill, h } from "./dom.js";
import { moment } from "./times.js";
import { t, tn, w } from "./words.js";

const button = document.getElementById("verify");
const place = document.getElementById("verified");

button.addEventListener("click", async () => {
  button.disabled = true;
  fill(place, h("p", {}, t("script.verifying")));
  try {
    const { size, root, faults, at } = await send("POST", "/api/v1/audit/verification", {}, { isPatient: false });
    const isGood = faults.length === 0;
    fill(place, h(`div.message.${isGood ? "good" : "bad"}`, {}, h("div.stack", {},
      h("p.strong", {}, isGood ? t("script.ledger_whole") : tn("script.ledger_faults", faults.length)),
      h("dl.facts", {}, h("dt", {}, t("script.ledger_size")), h("dd.figures", {}, `${size} · ${moment(at)}`), h("dt", {}, t("script.ledger_root")), h("dd.mono", {}, root)),
      faults.length ? h("ul", {}, faults.map((fault) => h("li.mono", {}, `${fault.sequence}: ${w("ledger_fault", fault.what)}`))) : null)));
  } catch (fault) {
    fill(place, h("div.message.bad", {}, h("p", {}, fault.message)));
  } finally {
    button.disabled = false;
  }
});
