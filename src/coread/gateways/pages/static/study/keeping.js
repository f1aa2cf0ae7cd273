// Keeps what is typed in this window, so that no fault, no ended session and no closed tab loses it.

/** A place for one text of one person on one study. */
export class Kept {
  constructor(kind, studyUid, personId) {
    this.name = `coread.${kind}.${personId}.${studyUid}`;
  }

  get() {
    try {
      return JSON.parse(sessionStorage.getItem(this.name));
    } catch {
      return null;
    }
  }

  set(value) {
    try {
      sessionStorage.setItem(this.name, JSON.stringify(value));
    } catch {
      // No room: the text is still in the page.
    }
  }

  clear() {
    sessionStorage.removeItem(this.name);
  }
}
