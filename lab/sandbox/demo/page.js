// Does what CloudWatch's console does for a custom widget: shows the HTML, and binds each <cwdb-action> to the element
// before it. It also draws the plot of the slots' requests.
"use strict";

const REFRESH_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=twinslot-token]").content;
const dark = matchMedia("(prefers-color-scheme: dark)");
let shown = "";

async function ask(path, body) {
  const options = body ? { method: "POST", body: JSON.stringify(body), headers: { "X-Twinslot-Token": token } } : {};
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

function drawPlot({ slots }) {
  const names = Object.keys(slots);
  const seconds = slots.blue.map((_, at) => names.map((name) => [name, slots[name][at]]));
  const sum = (second) => second.reduce((all, [, requests]) => all + requests, 0);
  const most = 10 * Math.ceil(Math.max(10, ...seconds.map(sum)) / 10);
  const pieces = [];
  const add = (name, attributes) => {
    const piece = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) piece.setAttribute(key, value);
    pieces.push(piece);
  };
  for (const share of [0, 0.5, 1]) add("line", { x1: 0, x2: seconds.length, y1: 100 * share, y2: 100 * share });
  seconds.forEach((second, at) => {
    let top = 100;
    for (const [name, requests] of second) {
      const height = (100 * requests) / most;
      top -= height;
      if (requests) add("rect", { class: name, x: at + 0.08, y: top, width: 0.84, height });
    }
  });
  byId("plot").replaceChildren(...pieces);
  byId("most").textContent = `top line: ${most}`;
  for (const name of names) byId(name).textContent = slots[name].at(-1);
}

// An app that was folded stays folded when the widget is rendered again.
function showWidget(html) {
  if (html === shown) return;
  const folded = new Map([...byId("widget").querySelectorAll("details")].map((app) => [nameOf(app), app.open]));
  byId("widget").innerHTML = html;
  shown = html;
  for (const app of byId("widget").querySelectorAll("details")) app.open = folded.get(nameOf(app)) ?? app.open;
}

const nameOf = (app) => app.querySelector(".name").textContent;

async function refresh() {
  if (!document.hidden) {
    try {
      drawPlot(await ask("traffic"));
      const { html, error } = await ask(`widget?theme=${dark.matches ? "dark" : "light"}`);
      if (error) byId("widget").textContent = error;
      else showWidget(html);
    } catch (error) {
      byId("most").textContent = `the sandbox does not answer: ${error.message}`;
    }
  }
  setTimeout(refresh, REFRESH_MS);
}

function confirmed(question) {
  byId("question").textContent = question;
  byId("answer").hidden = true;
  byId("no").textContent = "Cancel";
  byId("yes").hidden = false;
  byId("dialog").showModal();
  return new Promise((resolve) => {
    byId("yes").onclick = () => resolve(true);
    byId("dialog").onclose = () => resolve(false);
    byId("no").onclick = () => byId("dialog").close();
  });
}

async function act(action) {
  const payload = JSON.parse(action.textContent);
  const endpoint = action.getAttribute("endpoint");
  const question = action.getAttribute("confirmation");
  if (!(await confirmed(question))) return;
  byId("question").textContent = "Calling …";
  byId("yes").hidden = true;
  byId("no").textContent = "Close";
  const answer = await ask("call", { endpoint, payload }).catch((error) => ({ error: error.message }));
  byId("question").textContent = answer.error ? "The call failed." : "The call was accepted.";
  byId("answer").textContent = answer.error ?? JSON.stringify(answer.answer, null, 2);
  byId("answer").hidden = false;
}

byId("widget").addEventListener("click", (event) => {
  const action = event.target.closest("a")?.nextElementSibling;
  if (action?.localName === "cwdb-action" && action.getAttribute("action") === "call") act(action);
});

refresh();
