/**
 * The one error type of a call.
 *
 * `code` is stable: texts and tests go by it. Codes of our own, made on this side:
 *
 *   insecure_origin       the page is not on https or localhost: no microphone
 *   microphone_denied     the person or a policy said no
 *   microphone_missing    there is none
 *   microphone_busy       it is there and cannot be opened
 *   microphone_lost       it went away in mid-call
 *   audio_unsupported     no AudioWorklet, or no 24 kHz context
 *   server_unreachable    no HTTP answer
 *   server_timeout        no HTTP answer in time
 *   server_bad_answer     an answer that is not ours
 *   connection_failed     no media connection came about
 *   connection_lost       it was there and has gone
 *   internal              a defect of this page
 *
 * All others come from the bridge as they are.
 */
export class CallFailure extends Error {
  /**
   * @param {string} code
   * @param {{message?: string, retryable?: boolean, status?: number, cause?: unknown}} [details]
   *   message: the bridge's own words, when it gave any; status: of its HTTP answer
   */
  constructor(code, { message = "", retryable = true, status = 0, cause } = {}) {
    super(message, { cause });
    this.name = "CallFailure";
    this.code = code;
    this.retryable = retryable;
    this.status = status;
  }

  /** Whether the bridge wants to know who asks, or no longer believes it. */
  get asksForKey() {
    return this.status === 401;
  }

  /**
   * @param {unknown} error
   * @returns {CallFailure}
   */
  static from(error) {
    if (error instanceof CallFailure) return error;
    return new CallFailure("internal", { cause: error });
  }
}
