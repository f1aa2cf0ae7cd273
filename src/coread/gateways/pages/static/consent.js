// The officer's page: the signed form stays on this computer, only its SHA-256 is sent.
import "./page.js";

for (const chooser of document.querySelectorAll("input[data-digest]")) {
  const { form } = chooser;
  // Without a secure context the browser has no digest; the form then goes without one.
  chooser.disabled = !window.crypto?.subtle;
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    form.elements.evidence_sha256.value = file ? await digest(file) : "";
  });
}

async function digest(file) {
  const bytes = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
