"use strict";
{
	const table = document.querySelector("table"), body = table.tBodies[table.tBodies.length - 1];
	const entries = Array.from(body.rows, (row) => ({ row, name: row.cells[0].textContent, directory: row.className === "directory" }));

	// The time zone is the reader's.
	const two = (n) => String(n).padStart(2, "0");
	for (const { row } of entries) {
		const time = row.cells[2].firstElementChild, t = new Date(time.dateTime);
		time.textContent = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`;
	}
	body.addEventListener("mouseover", ({ target }) => {
		if (target.dateTime && !target.title) target.title = new Date(target.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
	});
	const columns = Array.from(table.tHead.rows[0].cells), zone = columns[2].firstElementChild;
	zone.textContent = "Modified";
	zone.title = Intl.DateTimeFormat().resolvedOptions().timeZone;

	// Sorting: the links say by what, and lead to the same order from the server.
	const collator = new Intl.Collator(undefined, { numeric: true });
	const compare = {
		name: (a, b) => collator.compare(a.name, b.name),
		size: (a, b) => a.size - b.size,
		time: (a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
	};
	const sort = (key, order) => {
		for (const e of entries) {
			e.size ??= parseInt(e.row.cells[1].title.replaceAll(",", "")) || 0;
			e.time ??= e.row.cells[2].firstElementChild.dateTime;
		}
		const sign = order === "desc" ? -1 : 1;
		entries.sort((a, b) => b.directory - a.directory || sign * compare[key](a, b) || compare.name(a, b));
		const sorted = document.createDocumentFragment();
		for (const { row } of entries) sorted.append(row);
		body.append(sorted);
	};
	for (const cell of columns) {
		const link = cell.firstElementChild;
		if (!link.href) continue; // a copy of the page, made with wget
		link.addEventListener("click", (event) => {
			if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
			event.preventDefault();
			const wanted = new URL(link.href).searchParams, order = wanted.get("order");
			sort(wanted.get("sort"), order);
			history.replaceState(null, "", link.href);
			for (const other of columns) {
				other.removeAttribute("aria-sort");
				const a = other.firstElementChild, key = new URL(a.href).searchParams.get("sort");
				a.search = `?sort=${key}&order=${key === "name" ? "asc" : "desc"}`;
			}
			cell.setAttribute("aria-sort", order === "desc" ? "descending" : "ascending");
			link.search = `?sort=${wanted.get("sort")}&order=${order === "desc" ? "asc" : "desc"}`;
		});
	}

	// The filter: every word has to be somewhere in the name.
	const filter = document.querySelector("#filter"), matches = document.querySelector("output");
	const plain = (text) => text.normalize().toLowerCase();
	const narrow = () => {
		const words = plain(filter.value).split(" ").filter(Boolean);
		let found = 0;
		for (const e of entries) {
			e.plain ??= plain(e.name);
			e.row.hidden = !words.every((word) => e.plain.includes(word));
			if (!e.row.hidden) found++;
		}
		matches.textContent = words.length === 0 ? "" : found === 0 ? "Nothing matches" :
			`${found.toLocaleString("en")} of ${entries.length.toLocaleString("en")}`;
	};
	if (entries.length > 1) {
		filter.closest("[role=search]").hidden = false;
		filter.addEventListener("input", narrow);
		if (filter.value) narrow(); // a browser that came back fills it in again
	}
	filter.addEventListener("keydown", (event) => {
		if (event.key === "Escape") {
			filter.value = "";
			narrow();
		} else if (event.key === "Enter" && filter.value.trim() && !event.isComposing) {
			entries.find(({ row }) => !row.hidden)?.row.querySelector("a").click();
		}
	});
	addEventListener("keydown", (event) => {
		if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
		event.preventDefault();
		filter.focus();
	});

	// Uploads: with progress, and by dropping files anywhere.
	const form = document.querySelector("form");
	if (form) {
		const bar = form.querySelector("progress"), status = form.querySelector("output"), button = form.querySelector("button");
		let sending = false;
		const end = (text) => {
			sending = button.disabled = false;
			bar.hidden = true;
			status.textContent = text;
		};
		const send = (data) => {
			sending = button.disabled = true;
			bar.hidden = false;
			bar.value = 0;
			status.textContent = "Uploading";
			const xhr = new XMLHttpRequest();
			xhr.upload.onprogress = ({ loaded, total }) => { bar.value = total ? loaded / total : 0; };
			xhr.onload = () => {
				end(xhr.status < 400 ? "Uploaded" : `Not uploaded: ${xhr.responseText.trim() || xhr.statusText}`);
				if (xhr.status < 400) location.reload();
			};
			xhr.onerror = () => end("Not uploaded: the connection broke");
			xhr.open("POST", form.action);
			xhr.send(data);
		};
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			if (!sending) send(new FormData(form));
		});
		addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });
		const carriesFiles = (event) => event.dataTransfer.types.includes("Files");
		addEventListener("dragover", (event) => {
			if (!carriesFiles(event)) return;
			event.preventDefault();
			document.body.classList.add("dropping");
		});
		addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
		addEventListener("drop", (event) => {
			if (!carriesFiles(event)) return;
			event.preventDefault();
			document.body.classList.remove("dropping");
			const data = new FormData();
			for (const item of event.dataTransfer.items) {
				const file = item.webkitGetAsEntry()?.isDirectory ? null : item.getAsFile();
				if (file) data.append("file", file);
			}
			if (sending) return;
			if (data.has("file")) send(data);
			else status.textContent = "Directories cannot be uploaded: drop the files in them";
		});
	}
}
