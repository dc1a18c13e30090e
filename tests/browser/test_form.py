"""A plain form, without JavaScript, that uploads files from a real browser."""

from server import starting

SIZE = 100_000_000
FORM = """<!doctype html><meta charset="utf-8"><title>a form</title>
<form method="post" enctype="multipart/form-data" action="{url}/files?next=/version">
<input name="note" value="hällo"><input type="file" name="files" multiple><button>send</button></form>"""


def test_a_plain_form_of_large_files_is_kept_and_goes_on_to_a_page(other_site, browse, tmp_path):
    directory, origin = other_site()
    sizes = {"large ä.bin": SIZE, "small.bin": 10}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}", f"--allow-origin={origin}")
        url = f"http://127.0.0.1:{server.port}"
        (directory / "form.html").write_text(FORM.format(url=url), "utf-8")
        seen = browse("form.mjs", f"{origin}/form.html", *(tmp_path / name for name in sizes))
        assert seen == {"url": f"{url}/version", "status": 200}
        kept = server.get("/files?order=old").json()["files"]
        assert {file["name"]: file["size"] for file in kept} == sizes
