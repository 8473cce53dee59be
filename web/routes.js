/**
 * The page's addresses: what stands behind the #. Pure.
 *
 *   #/talk                          #/talk?conversation=ID   to go on with one
 *   #session=ID&invite=TOKEN        an invitation; a fragment never leaves the browser
 *   #/conversations                 #/conversations/ID
 *   #/dashboard
 */

/**
 * @typedef {object} Route
 * @property {"talk" | "conversations" | "dashboard"} view
 * @property {string | null} conversationId to show, or to go on with
 * @property {{sessionId: string, token: string} | null} invitation
 */

/**
 * @param {string} hash with or without its #
 * @returns {Route} the talk for anything unknown
 */
export function routeOf(hash) {
  const told = hash.replace(/^#?\/?/, "");
  const [path, query = ""] = told.split("?");
  const [view, ...rest] = path.split("/").map(decoded);
  const nothing = { conversationId: null, invitation: null };
  if (view === "conversations") {
    return { ...nothing, view, conversationId: rest[0] || null };
  }
  if (view === "dashboard") return { ...nothing, view };
  const fields = new URLSearchParams(told);
  const [sessionId, token] = [fields.get("session"), fields.get("invite")];
  if (sessionId && token) {
    return { ...nothing, view: "talk", invitation: { sessionId, token } };
  }
  const conversationId = new URLSearchParams(query).get("conversation");
  return { ...nothing, view: "talk", conversationId };
}

/** @param {string} conversationId */
export function conversationRoute(conversationId) {
  return `#/conversations/${encodeURIComponent(conversationId)}`;
}

/** @param {string} conversationId */
export function continueRoute(conversationId) {
  return `#/talk?conversation=${encodeURIComponent(conversationId)}`;
}

/**
 * @param {string} sessionId
 * @param {string} token
 */
export function invitationRoute(sessionId, token) {
  return `#${new URLSearchParams({ session: sessionId, invite: token })}`;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a % that is only a %
  }
}
