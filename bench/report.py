"""Tables of a run on one server: seconds, ratios, costs, goals."""
import statistics

import rows as table

FORMS = {
    "seconds": lambda v: f"{v:.3f}" if v < 1 else f"{v:.2f}",
    "cpu": lambda v: f"{v:.2f}",
    "server-cpu": lambda v: f"{v:.2f}",
    "memory": lambda v: f"{v / 2**20:.0f} MiB",
    "down": lambda v: f"{v / 2**20:.1f} MiB",
    "wire": lambda v: f"{v / 2**20:.1f} MiB",
}


def form(figure, value):
    return FORMS.get(figure, lambda v: f"{v:.0f}")(value)


def spread(values, text=lambda v: f"{v:.2f}"):
    return " ".join(f"{text(v):>6}" for v in (min(values), statistics.median(values), max(values)))


class Report:
    """Everything measured: rows -> client -> list of rounds (dicts of figures) or a reason."""

    def __init__(self, server, judged=True):
        self.server = server
        self.judged = judged  # the goals are meant for this server
        self.rows = {}
        self.titles = {}
        self.goals = {}

    def add(self, row, client, outcome):
        """outcome: a dict of figures, or a text that says why there is none."""
        self.titles[row.name] = row.title
        self.goals[row.name] = (*row.goals, table.MEMORY)
        held = self.rows.setdefault(row.name, {}).setdefault(client, {"rounds": [], "why": ""})
        if isinstance(outcome, str):
            held["why"] = outcome
        else:
            held["rounds"].append(outcome)

    def figures(self, row, client, figure):
        held = self.rows.get(row, {}).get(client)
        if not held or held["why"]:
            return []
        return [r[figure] for r in held["rounds"] if r.get(figure) is not None]

    def ratios(self, row, figure, against):
        """Of s3apfs's rounds to the paired rounds of another client or row."""
        ours = self.figures(row, "s3apfs", figure)
        if against.startswith("row "):
            other = self.figures(against[4:], "s3apfs", figure)
        else:
            other = self.figures(row, against, figure)
        return [a / b for a, b in zip(ours, other) if b]

    # --- one row, as it is done ---------------------------------------------------------------

    def row_lines(self, name):
        yield f"{name}: {self.titles[name]}"
        for client, held in self.rows[name].items():
            if held["why"]:
                yield f"    {client:10} {held['why']}"
                continue
            line = f"    {client:10} {spread(self.figures(name, client, 'seconds'), FORMS['seconds'])} s"
            if client != "s3apfs":
                ratios = self.ratios(name, "seconds", client)
                line += f"   s3apfs / {client}: {spread(ratios)}" if ratios else ""
            yield line
            costs = self.cost_line(name, client)
            if costs:
                yield f"    {'':10} {costs}"

    def cost_line(self, name, client):
        words = []
        for figure, label in (("cpu", "daemon {} s/GiB"), ("server-cpu", "server {} s/GiB"),
                              ("memory", "peak {}"), ("down", "{} down"), ("up", "")):
            values = self.figures(name, client, figure)
            if values and label:
                words.append(label.format(form(figure, statistics.median(values))))
        kinds = self.figures(name, client, "kinds")
        if kinds:
            words.append(" ".join(f"{k} {v}" for k, v in kinds[-1].items()) or "no request")
        if False in self.figures(name, client, "in-s3"):
            words.append("NOT IN S3 when it was acknowledged")
        connections = self.figures(name, client, "connections")
        if connections:
            words.append(f"{max(connections)} connections")
        return ", ".join(words)

    # --- the whole run -------------------------------------------------------------------------

    def ratio_table(self):
        clients = [c for c in dict.fromkeys(c for r in self.rows.values() for c in r)
                   if c != "s3apfs"]
        yield f"{'seconds of s3apfs / those of':34}" + "".join(f"{c:>22}" for c in clients)
        yield f"{'':34}" + "".join(f"{'min    med    max':>22}" for c in clients)
        for name, held in self.rows.items():
            cells = []
            for c in clients:
                ratios = self.ratios(name, "seconds", c)
                why = held.get(c, {}).get("why", "") or held.get("s3apfs", {}).get("why", "")
                cells.append(spread(ratios) if ratios else why.split(":")[0][:20] or "-")
            yield f"{name:34}" + "".join(f"{c:>22}" for c in cells)

    def goal_lines(self):
        for name, goals in self.goals.items():
            for goal in goals:
                if goal.against:
                    values = self.ratios(name, goal.figure, goal.against)
                    text = f"{goal.figure} at most {goal.at_most:.2f} x {goal.against}"
                    show = "{:.2f}".format
                else:
                    values = self.figures(name, "s3apfs", goal.figure)
                    text = f"{goal.figure} at most {form(goal.figure, goal.at_most)}"
                    show = lambda v, f=goal.figure: form(f, v)  # noqa: E731
                if not values:
                    yield f"  {name:16} {text:44} not measured"
                    continue
                median = statistics.median(values)
                word = "reached" if median <= goal.at_most else "MISSED"
                yield f"  {name:16} {text:44} {show(median):>10}  {word}"

    def summary(self):
        judged = "" if self.judged else ", which are judged on the emulator"
        yield from self.ratio_table()
        yield ""
        yield f"goals (medians of s3apfs{judged}):"
        yield from self.goal_lines()

    def head(self):
        return f"=== server: {self.server}"

    def text(self):
        yield self.head()
        for name in self.rows:
            yield from self.row_lines(name)
        yield ""
        yield from self.summary()
