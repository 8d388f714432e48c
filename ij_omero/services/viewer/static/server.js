// What pages ask of the server, and who they are to it.

/** Where the server's routes begin: above view/… and beside the list of images. */
export const root = new URL(document.body.classList.contains("viewer") ? "../" : "./", document.baseURI);

/** An answer other than success: its one line of text is the message. */
export class Refused extends Error {
  constructor(status, text) {
    super(status === 401 ? "This page has no access any more: open the address that the server printed." : text);
    this.status = status;
  }
}

/** Give the token or code, which came behind # and is in no request line and no log, for a cookie that scripts cannot read. */
export async function enter() {
  const place = new URLSearchParams(location.hash.slice(1));
  const ways = { token: "session", code: "enter" };
  for (const [key, path] of Object.entries(ways)) {
    const secret = place.get(key);
    if (secret === null) continue;
    place.delete(key);
    history.replaceState(null, "", place.size ? `#${place}` : location.pathname);
    const answer = await fetch(new URL(path, root), { method: "POST", headers: { Authorization: `Bearer ${secret}` } });
    if (!answer.ok) throw new Refused(answer.status, await answer.text());
  }
}

/** Return the JSON at an address below the root. */
export async function ask(path, signal) {
  const answer = await fetch(new URL(path, root), { signal });
  if (!answer.ok) throw new Refused(answer.status, (await answer.text()).trim());
  return answer.json();
}

export function tell(error) {
  const message = document.getElementById("message");
  message.textContent = error.message ?? String(error);
  message.hidden = false;
}

export function untell() {
  document.getElementById("message").hidden = true;
}
