// An empty chat: what this page is for, by examples that run with a click.
import { make } from "./api.js";
import { icon } from "./icons.js";
import { meter } from "./meter.js";
import { $, guarded, state } from "./session.js";
import { change } from "./settings.js";

const EXAMPLES = [
  { icon: "chat", title: "Ask", text: "What is a token, for a language model? Three sentences, please.", run: send },
  { icon: "tools", title: "Let it use a tool", text: "What is 17 % of 2,340, plus 2 to the power of 20?", option: "--tool calculator", run: async (text) => {
    await change({ tools: [...new Set([...state.settings.tools, "calculator"])] });
    send(text);
  } },
  { icon: "attach", title: "Give it a file", text: "Summarise this file in three sentences.", option: "--attach notes.txt", run: (text) => {
    write(text);
    $("attach").click();
  } },
  { icon: "again", title: "Compare two models", text: "Write a haiku about rain.", option: "-m openai:gpt-5-mini", about: "Then choose another model and let it answer again: both answers stay.", run: send },
];

function write(text) {
  $("text").value = text;
  $("text").dispatchEvent(new Event("input"));
  meter();
}

function send(text) {
  write(text);
  $("form").requestSubmit();
}

const card = (one) => make("li", {},
  make("button", { type: "button", onclick: guarded(() => one.run(one.text)) }, icon(one.icon), make("span", {}, make("strong", {}, one.title), make("span", {}, one.text), one.about ? make("span", { class: "meta" }, one.about) : null)),
  make("code", {}, `llms ask ${one.option ? `${one.option} ` : ""}"${one.text}"`));

$("examples").replaceChildren(...EXAMPLES.map(card));
