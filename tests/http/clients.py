"""Real clients that send a file and print what they are answered: the status, then the body."""

import shutil
import subprocess
import sys

# Each takes the URL and the file. The interpreter of the system has Debian's packages.
PYTHON = "/usr/bin/python3"
REQUESTS = """
import sys, requests
def parts():
    with open(sys.argv[2], "rb") as file:
        while part := file.read(65536):
            yield part
response = requests.post(sys.argv[1], data=%s)
print(response.status_code, response.text)
"""
HTTPX = """
import sys, httpx
def parts():
    with open(sys.argv[2], "rb") as file:
        while part := file.read(65536):
            yield part
response = httpx.post(sys.argv[1], content=%s, timeout=None)
print(response.status_code, response.text)
"""
URLLIB = """
import sys, urllib.request, urllib.error
try:
    urllib.request.urlopen(sys.argv[1], open(sys.argv[2], "rb").read())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
HTTP_CLIENT = """
import http.client, sys, urllib.parse
at = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(at.netloc)
file = open(sys.argv[2], "rb")
connection.request("POST", at.path + "?" + at.query, file, %s)
response = connection.getresponse()
print(response.status, response.read().decode())
"""
LWP = """
use HTTP::Request; use LWP::UserAgent;
open(my $file, "<:raw", $ARGV[1]) or die;
my $request = HTTP::Request->new(POST => $ARGV[0], ["Content-Length" => -s $file], sub { read($file, my $part, 65536); $part });
my $response = LWP::UserAgent->new->request($request);
print $response->code, " ", $response->decoded_content, "\n";
"""
NODE_HTTP = """
const [url, file] = process.argv.slice(1), fs = require("fs");
const request = require("http").request(url, {method: "POST", headers: {"Content-Length": fs.statSync(file).size}}, (response) => {
    let text = "";
    response.on("data", (part) => (text += part));
    response.on("end", () => { console.log(response.statusCode, text); process.exit(0); });
});
fs.createReadStream(file).pipe(request);
"""
NODE_FORM = """
const [url, file] = process.argv.slice(1), form = new FormData();
form.append("file", new Blob([require("fs").readFileSync(file)]), "photo.jpg");
fetch(url, {method: "POST", body: form}).then(async (response) => console.log(response.status, await response.text()));
"""
JAVA = """
import java.net.URI; import java.net.http.*; import java.nio.file.Path;
class Post {
    public static void main(String[] words) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(words[0])).POST(HttpRequest.BodyPublishers.ofFile(Path.of(words[1]))).build();
        var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.body());
    }
}
"""


def curl(url, file, *options):
    return ["curl", "-sS", "-w", "\n%{http_code}\n", *options, url]


CLIENTS = {
    "http.client": lambda url, file: [PYTHON, "-c", HTTP_CLIENT % "{}", url, file],
    "http.client chunked": lambda url, file: [PYTHON, "-c", HTTP_CLIENT.replace("%s", "encode_chunked=True, headers={'Transfer-Encoding': 'chunked'}"), url, file],
    "urllib": lambda url, file: [PYTHON, "-c", URLLIB, url, file],
    "requests": lambda url, file: [PYTHON, "-c", REQUESTS % 'open(sys.argv[2], "rb")', url, file],
    "requests generator": lambda url, file: [PYTHON, "-c", REQUESTS % "parts()", url, file],
    "httpx": lambda url, file: [PYTHON, "-c", HTTPX % 'open(sys.argv[2], "rb")', url, file],
    "httpx generator": lambda url, file: [PYTHON, "-c", HTTPX % "parts()", url, file],
    "curl --data-binary": lambda url, file: curl(url, file, "--data-binary", f"@{file}"),
    "curl -T": lambda url, file: curl(url, file, "-X", "POST", "-T", file),
    "wget": lambda url, file: ["wget", "-q", "-S", "-t", "1", "--content-on-error", f"--post-file={file}", "-O", "-", url],
    "LWP": lambda url, file: ["perl", "-e", LWP, url, file],
    "Node http": lambda url, file: ["node", "-e", NODE_HTTP, url, file],
    "Node FormData": lambda url, file: ["node", "-e", NODE_FORM, url, file],
    "Java HttpClient": lambda url, file: [sys.executable, "-c", JAVA_RUN, JAVA, url, file],
}
# Java runs a source file, with a compiler only.
JAVA_RUN = """
import pathlib, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as directory:
    source = pathlib.Path(directory, "Post.java")
    source.write_text(sys.argv[1])
    sys.exit(subprocess.run(["java", str(source), *sys.argv[2:]]).returncode)
"""


def is_here(name):
    """Can this client run on this machine?"""
    if name.startswith("Java"):
        return shutil.which("javac") is not None
    if name.startswith(("requests", "httpx")):
        return subprocess.run([PYTHON, "-c", f"import {name.split()[0]}"], capture_output=True, check=False).returncode == 0
    return shutil.which(CLIENTS[name]("", "")[0]) is not None


def post(name, url, file, timeout):
    """What the client says: text that holds status and body, or what went wrong."""
    done = subprocess.run(CLIENTS[name](url, str(file)), capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    return done.stdout + done.stderr
