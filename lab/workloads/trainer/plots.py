"""Small SVG pictures of a run, drawn without matplotlib, which would weigh more than everything else in the image."""

from xml.sax.saxutils import escape

FONT = 'font-family="system-ui, sans-serif" font-size="13"'
BLUE, ORANGE, GREY = "#2563eb", "#d97706", "#6b7280"


def confusion_svg(matrix, classes):
    """The confusion matrix as a table whose cells darken with their share of the true class."""
    cell, left, top = 84, 130, 84
    n = len(classes)
    width, height = left + n * cell + 20, top + n * cell + 20
    parts = [_open(width, height, "Confusion matrix of the hold-out rows")]
    parts.append(_text(left + n * cell / 2, 28, "predicted", fill=GREY))
    parts.append(_text(12, 28, "true", fill=GREY, anchor="start"))
    for j, name in enumerate(classes):
        parts.append(_text(left + (j + 0.5) * cell, top - 14, name))
    for i, row in enumerate(matrix):
        y = top + i * cell
        parts.append(_text(left - 12, y + cell / 2 + 4, classes[i], anchor="end"))
        for j, count in enumerate(row):
            share = count / (sum(row) or 1)
            x = left + j * cell
            colour = BLUE if i == j else ORANGE
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell - 4}" height="{cell - 4}" rx="6" fill="{colour}" '
                f'fill-opacity="{0.06 + 0.9 * share:.2f}"/>'
            )
            parts.append(
                _text(x + cell / 2 - 2, y + cell / 2 + 4, str(count), fill="#ffffff" if share > 0.5 else "#111827")
            )
    return "\n".join([*parts, "</svg>\n"])


def curve_svg(curve, unit):
    """Training and hold-out log loss by step."""
    width, height, left, top, right, bottom = 560, 320, 64, 44, 20, 48
    lines = (("training", "curve_train_log_loss", BLUE), ("hold-out", "curve_test_log_loss", ORANGE))
    steps = [step for step, _ in curve]
    high = max(values[key] for _, values in curve for _, key, _ in lines) or 1.0
    span = (steps[-1] - steps[0]) or 1

    def at(step, value):
        x = left + (step - steps[0]) / span * (width - left - right)
        y = top + (1 - value / high) * (height - top - bottom)
        return f"{x:.1f},{y:.1f}"

    parts = [_open(width, height, f"Log loss by {unit}")]
    for i in range(5):
        value = high * i / 4
        y = top + (1 - i / 4) * (height - top - bottom)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(_text(left - 8, y + 4, f"{value:.2f}", anchor="end", fill=GREY))
    for i, (label, key, colour) in enumerate(lines):
        points = " ".join(at(step, values[key]) for step, values in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(left + 8 + i * 100, 28, label, fill=colour, anchor="start"))
    parts.append(_text(left, height - 18, str(steps[0]), fill=GREY))
    parts.append(_text(width - right, height - 18, str(steps[-1]), fill=GREY, anchor="end"))
    parts.append(_text((left + width - right) / 2, height - 18, unit, fill=GREY))
    return "\n".join([*parts, "</svg>\n"])


def _open(width, height, title):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" {FONT}><title>{escape(title)}</title><rect width="{width}" height="{height}" fill="#ffffff"/>'
    )


def _text(x, y, text, fill="#111827", anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'
