"""Two panels of points and the straight line through them, as SVG."""
WIDTH, HEIGHT, MARGIN = 380, 260, 48


def fit(points):
    """Least squares: (slope, intercept, share of the variance explained)."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    sxx, sxy = sum((x - mx) ** 2 for x, _ in points), sum((x - mx) * (y - my) for x, y in points)
    slope = sxy / sxx
    rest = sum((y - my - slope * (x - mx)) ** 2 for x, y in points)
    whole = sum((y - my) ** 2 for _, y in points)
    return slope, my - slope * mx, 1 - rest / whole if whole else 1


def panel(at, title, x_label, points, unit=1e3):
    slope, base, r2 = fit(points)
    top_x, top_y = max(x for x, _ in points) * 1.05, max(y for _, y in points) * 1.1
    px = lambda x: at + MARGIN + x / top_x * (WIDTH - MARGIN - 16)
    py = lambda y: HEIGHT - MARGIN - y / top_y * (HEIGHT - MARGIN - 40)
    text = lambda x, y, s, extra="": f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{s}</text>'
    out = [f'<path d="M{px(0):.0f} {py(top_y):.0f}V{py(0):.0f}H{px(top_x):.0f}" fill="none" stroke="#888"/>',
           f'<path d="M{px(0):.1f} {py(max(base, 0)):.1f}L{px(top_x):.1f} {py(base + slope * top_x):.1f}" stroke="#2563eb" fill="none"/>',
           text(at + WIDTH / 2, 18, title, 'text-anchor="middle" font-weight="bold"'),
           text(at + WIDTH / 2, 34, f"{slope * unit:.2f} ms each, R\u00b2 = {r2:.4f}", 'text-anchor="middle" fill="#2563eb"'),
           text(at + WIDTH / 2, HEIGHT - 8, x_label, 'text-anchor="middle"')]
    for x, y in points:
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5" fill="#111"/>',
                text(px(x), HEIGHT - MARGIN + 14, x, 'text-anchor="middle" font-size="10"') if x > top_x / 12 or x == points[0][0] else ""]
    for i in range(5):
        y = top_y * i / 4
        out.append(text(px(0) - 4, py(y) + 4, f"{y * unit:.0f}", 'text-anchor="end" font-size="10"'))
    out.append(text(at + 4, 34, "ms", 'font-size="10"'))
    return "\n".join(filter(None, out))


def svg(by_tokens, by_streams):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        panel(0, "one answer", "generated tokens", by_tokens),
        panel(WIDTH, "answers of 64 tokens together", "answers", by_streams), "</svg>", ""])
