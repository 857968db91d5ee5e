/*
 * charts.js
 *	  Has Mermaid draw the charts of charts.sql, and leaves what is wrong with each as a line of
 *	  the document: "ok NAME" or "not ok NAME: what".  The last line says how many there were.
 */

/* A text as it is compared: labels are broken into lines anywhere. */
function letters(text) {
	return text.replace(/\s+/g, "");
}

/* What the labels of a chart are to show: its quoted texts, references resolved. */
function labels(chart) {
	return [...chart.matchAll(/"([^"]*)"/g)].map(m => m[1]
		.replace(/<br\/?>/g, "")
		.replace(/#(\d+);/g, (_, code) => String.fromCodePoint(code)));
}

function count(chart, pattern) {
	return [...chart.matchAll(pattern)].length;
}

async function problems(number, {chart, steps}) {
	const found = [];
	const box = document.createElement("div");

	document.body.append(box);
	try {
		box.innerHTML = (await mermaid.render("chart" + number, chart)).svg;
	} catch (error) {
		return ["it cannot be drawn: " + error.message];
	}
	const shown = letters(box.textContent);

	if (box.querySelectorAll("svg").length !== 1)
		found.push("it is no SVG");
	if (/Syntax error|Maximum text size|Too many edges/i.test(box.textContent))
		found.push("Mermaid shows an error");
	if (/NaN|undefined|Infinity/.test(box.innerHTML))
		found.push("it has lengths that are no numbers");
	for (const label of labels(chart))
		if (!shown.includes(letters(label)))
			found.push("it does not show " + JSON.stringify(label));
	for (const step of steps)
		if (!shown.includes(letters(step)))
			found.push("it does not show the step " + JSON.stringify(step));
	if (box.querySelector("script, img, b, iframe, a, [data-owned]"))
		found.push("other people's text has become an element");
	if (box.querySelectorAll("g.node").length !== count(chart, /^ +\w+[\[({].*$/gm))
		found.push("it has " + box.querySelectorAll("g.node").length + " nodes, not " + count(chart, /^ +\w+[\[({].*$/gm));
	if (box.querySelectorAll("g.cluster").length !== count(chart, /^ *subgraph /gm))
		found.push("it has " + box.querySelectorAll("g.cluster").length + " frames, not " + count(chart, /^ *subgraph /gm));
	if (box.querySelectorAll(".edgePaths path").length !== count(chart, /^ +\w+ -\.?->/gm))
		found.push("it has " + box.querySelectorAll(".edgePaths path").length + " edges, not " + count(chart, /^ +\w+ -\.?->/gm));
	/* each text lies in its node */
	for (const node of box.querySelectorAll("g.node")) {
		const size = node.getBBox();

		if (!(size.width > 0 && size.height > 0))
			found.push("a node has no size: " + node.textContent);
	}
	return found;
}

(async () => {
	const lines = [];

	mermaid.initialize({startOnLoad: false});
	for (const [number, chart] of charts.entries()) {
		const found = await problems(number, chart);

		lines.push(found.length === 0 ? "ok chart: " + chart.name : "not ok chart: " + chart.name + ": " + found.join("; "));
	}
	lines.push(charts.length + " charts");
	const list = document.createElement("pre");
	list.textContent = "\n" + lines.join("\n") + "\n";
	document.body.replaceChildren(list);
})();
