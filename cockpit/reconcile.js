// Shows on this host what `reconcile` prints: its status, its picture and its history. It changes nothing.
//
// Whatever comes from `reconcile` is data: text becomes text nodes, and of the picture only the elements and attributes
// below are copied. No markup is ever parsed into this page.

"use strict";

const EVERY_MS = 30_000;
const MOST_CHARACTERS = 16_000_000;
const MOST_ELEMENTS = 200_000;
const MOST_ROWS = 1_000;
// A user's PATH comes first; sudo's may lack /usr/local/bin.
const PROGRAMS = ["reconcile", "/usr/local/bin/reconcile", "/usr/bin/reconcile"];

const SVG = "http://www.w3.org/2000/svg";
const INERT = "urn:reconcile:picture";
const ELEMENTS = new Set([
    "svg", "g", "title", "desc", "defs", "pattern", "symbol", "use", "rect", "line", "path", "circle", "ellipse",
    "polyline", "polygon", "text", "tspan",
]);
const ATTRIBUTES = new Set([
    "class", "id", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "cx", "cy", "r", "rx", "ry", "width", "height", "d",
    "points", "viewBox", "preserveAspectRatio", "transform", "fill", "fill-opacity", "fill-rule", "stroke",
    "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-opacity", "opacity",
    "shape-rendering", "pointer-events", "font-size", "font-style", "font-weight", "text-anchor", "dominant-baseline",
    "textLength", "lengthAdjust", "patternUnits", "patternContentUnits", "patternTransform", "role", "lang",
    "aria-label", "aria-labelledby", "aria-describedby", "aria-hidden", "href",
]);
const LOCAL = /^#[A-Za-z][\w-]*$/;
const LOCAL_PAINT = /^url\(#[A-Za-z][\w-]*\)$/;
const ID = /^(picture|sign)[\w-]*$/;

const place = Object.fromEntries(
    ["page", "heading", "age", "refresh", "trouble", "state", "picture", "guests", "history"]
        .map(name => [name, document.getElementById(name)]),
);

// What went wrong, in words for people.
class Trouble extends Error {}

// Running reconcile ---------------------------------------------------------------------------------------------------

async function printed(...words) {
    for (const program of PROGRAMS) {
        try {
            return await cockpit.spawn([program, ...words], { superuser: "try", err: "message" });
        } catch (error) {
            if (error.problem !== "not-found")
                throw new Trouble(reason(error, words));
        }
    }
    throw new Trouble("reconcile is not installed on this host: it is neither on the PATH nor in /usr/local/bin or /usr/bin.");
}

function reason(error, words) {
    const line = ["reconcile", ...words].join(" ");
    const said = String(error.message || "").trim();
    if (error.problem === "access-denied")
        return `You may not run "${line}" on this host. Turn on administrative access in Cockpit, then refresh.`;
    if (error.problem)
        return `"${line}" could not be run: ${said || error.problem}`;
    if (error.exit_signal)
        return `"${line}" was ended by the signal ${error.exit_signal}.`;
    return `"${line}" failed with exit code ${error.exit_status}: ${said || "it printed no message."}`;
}

async function record(field, ...words) {
    const text = await printed(...words, "-o", "json");
    let found = null;
    try {
        found = JSON.parse(text);
    } catch {
        // what follows is the message
    }
    if (!Array.isArray(found?.[field]))
        throw new Trouble(`"reconcile ${words.join(" ")} -o json" printed something else than this page reads. Are both of the same version?`);
    return found;
}

// The picture ---------------------------------------------------------------------------------------------------------

// The SVG in `text` as new elements of this page. It is parsed as a document of another namespace, so that not even the
// parsed document, which is never shown, has a style, a script or an event handler.
function picture(text) {
    if (text.length > MOST_CHARACTERS)
        throw new Trouble("The picture is too large to be shown here.");
    const parsed = new DOMParser().parseFromString(text.replaceAll(SVG, INERT), "application/xml");
    const root = parsed.documentElement;
    if (root.namespaceURI !== INERT || root.localName !== "svg" || parsed.querySelector("parsererror"))
        throw new Trouble('"reconcile report --svg -" printed no picture. Are reconcile and this page of the same version?');
    if (parsed.getElementsByTagName("*").length > MOST_ELEMENTS)
        throw new Trouble("The picture is too large to be shown here.");
    return copied(root);
}

function copied(element) {
    const made = document.createElementNS(SVG, element.localName);
    for (const attribute of element.attributes) {
        if (allowed(attribute))
            made.setAttribute(attribute.localName, attribute.value);
    }
    for (const node of element.childNodes) {
        if (node.nodeType === Node.TEXT_NODE || node.nodeType === Node.CDATA_SECTION_NODE)
            made.append(document.createTextNode(node.data.replaceAll(INERT, SVG)));
        else if (node.nodeType === Node.ELEMENT_NODE && node.namespaceURI === INERT && ELEMENTS.has(node.localName))
            made.append(copied(node));
    }
    return made;
}

function allowed({ namespaceURI, localName, value }) {
    if (namespaceURI !== null || !ATTRIBUTES.has(localName))
        return false;
    if (localName === "href")
        return LOCAL.test(value);
    if (localName === "id")
        return ID.test(value);
    // Nothing but a pattern of this picture may be named.
    return !/url\s*\(/i.test(value) && !value.includes("\\") || LOCAL_PAINT.test(value);
}

// What is shown -------------------------------------------------------------------------------------------------------

function made(name, content, className) {
    const element = document.createElement(name);
    if (className)
        element.className = className;
    element.append(...[content].flat());
    return element;
}

function show(container, content) {
    container.replaceChildren(content);
    container.parentElement.hidden = false;
}

function table(heads, rows, none) {
    if (rows.length === 0)
        return made("p", none);
    const head = made("tr", heads.map(name => {
        const cell = made("th", name);
        cell.scope = "col";
        return cell;
    }));
    const shown = rows.slice(0, MOST_ROWS).map(cells => {
        const [first, ...others] = cells.map(cell => String(cell));
        const name = made("th", first);
        name.scope = "row";
        return made("tr", [name, ...others.map(cell => made("td", cell))]);
    });
    const found = [made("table", [made("thead", head), made("tbody", shown)])];
    if (rows.length > MOST_ROWS)
        found.push(made("p", `${rows.length - MOST_ROWS} more are not shown here.`));
    return made("div", found);
}

function size(matrix) {
    return matrix ? matrix.adapters.length * matrix.domains.length : 0;
}

function inUse(guest) {
    if (guest.openedBy?.name)
        return `used by ${guest.openedBy.name}`;
    return guest.inUse ? "in use" : "–";
}

function showStatus(status) {
    place.heading.textContent = `Crypto queues of ${status.host}`;
    const guests = status.guests.map(guest => [
        guest.name,
        guest.state,
        guest.wantedQueues === null || guest.wantedQueues === size(guest.authorised)
            ? size(guest.authorised) : `${size(guest.authorised)} of ${guest.wantedQueues}`,
        guest.effective ? size(guest.effective) : "–",
        inUse(guest),
        guest.why.join("; ") || "–",
    ]);
    const foreign = status.foreign.map(device => [
        device.uuid, "in no manifest", size(device.authorised), "–", inUse(device), "–",
    ]);
    const heads = ["Guest", "State", "Queues", "Sees", "VM", "Why"];
    show(place.guests, table(heads, [...guests, ...foreign], "There is no guest on this host."));
    showState(status);
}

const SENTENCES = new Map([
    [true, "In sync: the host is as it should be."],
    [false, "Not in sync: the host differs from what is wanted."],
]);

function showState(status) {
    const lines = [SENTENCES.get(status.inSync) ?? "There is nothing to compare the host with."];
    lines.push(`Compared with ${status.comparedWith.text}.`);
    if (status.suspended)
        lines.push(`Suspended: the whole host, ${status.suspended}`);
    if (status.loop)
        lines.push(status.loop.condition === "ended"
            ? "The loop has ended: no loop enforces the manifests of this host."
            : `The loop is ${status.loop.condition}.`);
    lines.push(...status.unseen, ...status.problems.map(problem => `${problem.severity}: ${problem.message}`));
    const isBad = status.inSync === false || status.loop?.condition === "ended" ||
        status.problems.some(problem => problem.severity === "error");
    place.state.className = isBad ? "bad" : status.inSync ? "good" : "";
    place.state.replaceChildren(made("p", made("strong", lines[0])), ...lines.slice(1).map(line => made("p", line)));
    place.state.hidden = false;
}

function showHistory(history) {
    const rows = history.generations.map(one => [
        one.number, one.started.replace("T", " ").replace("Z", " UTC"), one.user, one.summary, one.result ?? "under way",
    ]);
    const heads = ["Generation", "Started", "By", "What", "Result"];
    show(place.history, table(heads, rows, "Nothing has been applied on this host."));
}

// Refreshing ----------------------------------------------------------------------------------------------------------

let busy = false;

async function refresh() {
    if (busy)
        return;
    busy = true;
    place.page.setAttribute("aria-busy", "true");
    const wanted = [
        [() => record("guests", "status"), showStatus],
        [() => printed("report", "--svg", "-"), text => show(place.picture, picture(text))],
        [() => record("generations", "history", "-n", "20"), showHistory],
    ];
    const troubles = new Set();
    for (const [read, showIt] of wanted) {
        try {
            showIt(await read());
        } catch (error) {
            troubles.add(error instanceof Trouble ? error.message : `This page cannot show what reconcile printed (${error}).`);
        }
    }
    const complete = troubles.size === 0;
    place.trouble.replaceChildren(...[...troubles].map(words => made("p", words)));
    place.trouble.hidden = complete;
    if (complete)
        place.age.textContent = `as of ${new Date().toLocaleTimeString()}`;
    else if (!place.state.hidden)
        place.trouble.append(made("p", "What is below may be incomplete or out of date."));
    place.page.setAttribute("aria-busy", "false");
    busy = false;
}

function isSeen() {
    return !document.hidden && !cockpit.hidden;
}

function refreshIfSeen() {
    if (isSeen())
        refresh();
}

place.refresh.addEventListener("click", refresh);
document.addEventListener("visibilitychange", refreshIfSeen);
cockpit.addEventListener("visibilitychange", refreshIfSeen);
setInterval(refreshIfSeen, EVERY_MS);
refresh();
