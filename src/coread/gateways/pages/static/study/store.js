// The review as the server last told it, and the one way to change it: acts go out one after the other.
import { actKey, get, send } from "../api.js";

export class Store {
  constructor(review, surroundings) {
    this.review = review;
    this.surroundings = surroundings;
    this.path = `/api/v1/studies/${review.study_instance_uid}`;
    this.selected = "";
    this.pending = new Set();
    this.listeners = [];
    this.queue = Promise.resolve();
    this.isGone = false;
  }

  /** Hear of each new state; gives what ends the hearing. */
  subscribe(listener) {
    this.listeners.push(listener);
    return () => { this.listeners = this.listeners.filter((one) => one !== listener); };
  }

  tell() {
    for (const listener of this.listeners) listener(this.review);
  }

  get mayDecide() { return this.surroundings.may_decide && !this.isGone; }
  get maySign() { return this.surroundings.may_sign && !this.isGone; }

  /** Whether another doctor holds the study. */
  get isLockedByOther() { return Boolean(this.review.lock && !this.review.lock.is_mine); }

  get isSigned() { return this.review.reports.length > 0; }

  /** The findings of readers in the order of the page: what is called present first, the most probable first. */
  get findings() {
    const rank = (panel) => ["present", "indeterminate", "absent"].indexOf(panel.finding.presence);
    return [...this.review.findings].sort((a, b) => rank(a) - rank(b) || b.finding.confidence.probability - a.finding.confidence.probability);
  }

  finding(uid) { return this.review.findings.find((panel) => panel.finding_uid === uid); }

  /** Take over a newer state. */
  set(review) {
    if (!review || review.revision < this.review.revision) return;
    this.review = { ...review, changes: allChanges(this.review.changes, review.changes) };
    this.tell();
  }

  /** Ask for the present state, and for what happened since the one that is shown. */
  async refresh({ isBackground = false } = {}) {
    this.set(await get(`${this.path}/review?since=${this.review.revision}`, { isBackground }));
  }

  /**
   * Do one act. It carries the revision that is known when its turn comes, and a key by which the server knows
   * it again. Resolves to the new review; on a conflict the present state is fetched before the fault is thrown.
   * @param {string} about what to mark as pending meanwhile
   * @param {number} [revision] of what the doctor has looked at, where nothing newer may be meant
   */
  act(method, part, body = {}, { about = part, key = actKey(), revision } = {}) {
    this.pending.add(about);
    this.tell();
    const run = this.queue.then(async () => {
      try {
        const sent = { ...body, revision: revision ?? this.review.revision, key };
        const answer = await send(method, `${this.path}/${part}`, sent);
        this.pending.delete(about);
        await this.takeOver(answer.review ?? answer);
        return answer;
      } catch (fault) {
        this.pending.delete(about);
        if (fault.status === 409) await this.refresh().catch(() => {});
        if (fault.status === 404 && fault.number === 1401) await this.lookWhetherGone();
        this.tell();
        throw fault;
      }
    });
    this.queue = run.catch(() => {});
    return run;
  }

  /** Take over the answer to an act; where more has happened than the act, ask what it was. */
  async takeOver(review) {
    if (review.revision > this.review.revision + 1) await this.refresh().catch(() => {});
    this.set(review);
  }

  /** After a "not found": is the whole study gone? */
  async lookWhetherGone() {
    try {
      await this.refresh();
    } catch (fault) {
      if (fault.status === 404) this.isGone = true;
    }
  }
}

/** Join what is known of changes with what is told now, each once, the oldest first. */
function allChanges(known, told) {
  const revisions = new Set(told.map((change) => change.revision));
  return [...known.filter((change) => !revisions.has(change.revision)), ...told];
}
