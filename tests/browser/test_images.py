"""Pages of another site that show stored images, in a real browser: the right candidate, in the best format, usable in a canvas."""

from images import noise, photo
from server import starting

WIDTHS = (200, 400, 800, 1600)
PAGE = """<!doctype html><meta charset="utf-8"><title>images</title><link rel="icon" href="data:,"><style>img {{ width: 100% }}</style>
<img id="fluid" sizes="100vw" srcset="{fluid}">
<img id="fixed" src="{image}?w=100&amp;auto=format" srcset="{image}?w=100&amp;auto=format 1x, {image}?w=200&amp;auto=format 2x">
<picture><source type="image/avif" srcset="{image}?w=120&amp;fm=avif"><source type="image/webp" srcset="{image}?w=120&amp;fm=webp">
<img id="picture" src="{image}?w=120"></picture>
<picture><source type="image/unheard-of" srcset="{image}?w=130&amp;fm=gif"><source type="image/webp" srcset="{image}?w=130&amp;fm=webp">
<img id="second" src="{image}?w=130"></picture>
<img id="canvas" crossorigin="anonymous" src="{plain}?w=90&amp;h=90&amp;fit=crop&amp;crop=top,left&amp;auto=format">
<img id="jpeg" crossorigin="anonymous" src="{plain}?w=80&amp;h=80&amp;fit=crop&amp;crop=top,left&amp;fm=jpg">
"""


def test_pages_of_another_site_show_the_right_images(other_site, browse, tmp_path):
    # It shows only what others allow it to.
    directory, origin = other_site("localhost", {"Cross-Origin-Embedder-Policy": "require-corp"})
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}", "--read=public")
        host = f"http://127.0.0.1:{server.port}"
        image = host + server.post("/files", noise(1600, 200)).json()["image"]
        plain = host + server.post("/files", photo(400, 200)).json()["image"]
        fluid = ", ".join(f"{image}?w={width}&amp;auto=format {width}w" for width in WIDTHS)
        (directory / "index.html").write_text(PAGE.format(image=image, plain=plain, fluid=fluid), "utf-8")
        for viewport, ratio, wanted in ((390, 1, 400), (390, 2, 800), (1000, 1, 1600)):
            seen = browse("srcset.mjs", f"{origin}/index.html", viewport, ratio)
            assert seen["complaints"] == []
            images = seen["images"]
            assert {name: each["type"] for name, each in images.items()} == {
                "fluid": "image/avif", "fixed": "image/avif", "picture": "image/avif", "second": "image/webp", "canvas": "image/avif",
                "jpeg": "image/jpeg"}  # fmt: skip
            assert f"?w={wanted}&" in images["fluid"]["url"]
            assert f"?w={100 * ratio}&" in images["fixed"]["url"]
            for name in ("canvas", "jpeg"):
                red, green, blue, alpha = images[name]["pixel"]
                assert red > 180 and green < 80 and blue < 80 and alpha == 255, "the canvas may be read"
