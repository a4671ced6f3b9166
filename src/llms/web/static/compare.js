// "Compare" on an answer of a chat: a second model answers the same question beside it, and a vote chooses the branch.
import { call, focusBack, make } from "./api.js";
import { keyed, pair, voteButtons } from "./duel.js";
import { acts, reload } from "./log.js";
import { $, guarded, say, state, toast } from "./session.js";
import { short } from "./settings.js";

const written = (node) => node.role === "assistant";

/** The messages that answer the question before the place `at` of the path, as one answer. */
function answerFrom(path, at) {
  const end = path.findIndex((node, place) => place >= at && node.role === "user");
  const nodes = path.slice(at, end < 0 ? undefined : end).filter(written);
  const last = nodes.at(-1);
  return { first: nodes[0], parts: nodes.flatMap((node) => node.parts), state: last.state === "streaming" ? "running" : last.state, cut: last.cut, error: last.error };
}

acts.compare = guarded(async (node) => {
  if (state.source) throw new Error("an answer is still being written; stop it first");
  const question = state.path.slice(0, state.path.findIndex((one) => one.id === node.id)).findLastIndex((one) => one.role === "user");
  if (question < 0) throw new Error("there is no question before this answer");
  const present = answerFrom(state.path, question + 1);
  const box = make("dialog", { class: "compare", "aria-labelledby": "compare-title" });
  document.body.append(box);
  const back = document.activeElement;
  box.addEventListener("close", () => { box.remove(); focusBack(back); });
  choose(box, question, present);
  box.showModal();
});

/** First the second model. */
async function choose(box, question, present) {
  const name = make("input", { id: "compare-model", list: "compare-models", required: true, spellcheck: "false", autocomplete: "off" });
  const list = make("datalist", { id: "compare-models" });
  const problem = make("p", { class: "bad", role: "alert" });
  const form = make("form", { class: "form" }, make("label", {}, "The second model", name), list, problem,
    make("div", { class: "acts" }, make("button", { type: "button", onclick: () => box.close() }, "Cancel"), make("button", { class: "primary" }, "Answer beside it")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      const begun = await call("/api/arena/compare", { conversation: state.id, node: present.first.id, model: name.value.trim() });
      watch(box, question, present, name.value.trim(), begun.run);
    } catch (error) {
      problem.textContent = error.message;
    }
  });
  box.replaceChildren(make("h2", { id: "compare-title" }, "Compare with another model"), form);
  const known = await call("/api/arena/contenders").catch(() => ({ models: [] }));
  const others = known.models.filter((one) => one.name !== present.first.author);
  list.replaceChildren(...others.map((one) => make("option", { value: one.name })));
  if (name.value || !others.length) return;
  name.value = others[0].name;
  if (document.activeElement === name) name.select(); // what is typed next takes its place
}

/** Then both, side by side, and the vote. */
function watch(box, question, present, model, run) {
  const answers = pair(null);
  answers.a.draw(present, false);
  answers.a.element.querySelector("header").append(make("span", { class: "model", title: present.first.author }, present.first.name));
  answers.b.element.querySelector("header").append(make("span", { class: "model", title: model }, short(model)));
  const buttons = make("div", { class: "vote", role: "group", "aria-label": "Your vote", tabindex: "-1" });
  const problem = make("p", { class: "bad", role: "alert" });
  box.classList.add("wide");
  box.replaceChildren(make("h2", { id: "compare-title" }, "Which answer is better?"), answers.element, buttons, problem,
    make("div", { class: "acts" }, make("button", { type: "button", onclick: () => box.close() }, "Close without a vote")));
  const source = (state.source = new EventSource(`/api/runs/${run}/events?after=0`));
  let second = null;
  let done = false;
  const end = guarded(async () => {
    source.close();
    state.source = null;
    await reload();
    second = answerFrom(state.path, question + 1);
    answers.b.draw(second, false);
    buttons.replaceChildren(...voteButtons(vote));
    buttons.focus();
    say("both answers are there: 1 or 2 for the better one, t for a tie, b for both bad");
  });
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    answers.b.hear(event);
    if (event.type === "approval_needed") problem.textContent = `The second model asks to run ${event.name}; close this window to decide in the chat.`;
    if (event.type === "run_finished") end();
  };
  const vote = async (winner) => {
    if (!second || done) return;
    done = true;
    try {
      const { id } = await call("/api/arena/compare/vote", { conversation: state.id, a: present.first.id, b: second.first.id, winner });
      box.close();
      await reload();
      toast("Your vote counts as one of a chat, not blind", { topic: "compare", action: { label: "Undo", act: guarded(() => call(`/api/arena/votes/${id}`, undefined, "DELETE")) } });
    } catch (error) {
      done = false;
      problem.textContent = error.message;
    }
  };
  box.addEventListener("keydown", (event) => {
    const winner = keyed(event);
    if (winner) vote(winner);
  });
  box.addEventListener("close", guarded(async () => {
    if (done) return;
    if (state.source === source) {
      source.close();
      state.source = null;
      await call(`/api/runs/${run}/stop`, { seen: 1e9, seq: 0 });
      await ended();
    }
    await call(`/api/conversations/${state.id}/switch`, { node: present.first.id });
    await reload();
  }));
}

/** Wait until nobody answers in this chat. */
async function ended() {
  for (let tries = 0; tries < 50 && (await reload()).run; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
}
