//! The examples under each command's `--help`.

pub(super) const STORYCLIP: &str = "\
Examples:
  storyclip demo                         see it work, without any account
  storyclip serve                        run the daemon (settings: storyclip config)
  storyclip publish clips.json --watch   publish a batch and follow it
  storyclip doctor                       what is missing, and what to do about it
  storyclip batches --user u1            what is under way
  storyclip show BATCH                   where each clip is, and why
  storyclip resolve BATCH 3 retry        decide about a clip that is held

Every command that tells something takes --json. What is printed for people may change; the JSON is the API's. An error is then \
the last line of standard error, as JSON, too: the API's problem, or an object with `error` and `code`.

Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage, 3 the batch ended \
without every clip being published.";

pub(super) const SERVE: &str = "\
Examples:
  STORYCLIP_API_KEYS=acme:sk_secret:publish+read storyclip serve
  storyclip serve --config /etc/storyclip.toml

The first SIGTERM or Ctrl-C stops in order and ends with 0; the second one ends at once, with 1. Batches \
that are under way go on at the next start, after any kind of end.";

pub(super) const VAPID: &str = "\
Example:
  storyclip vapid >> storyclip.env
  storyclip vapid --json | jq -r .publicKey

The public half goes to the pages that subscribe, through GET /api/push/key. A new pair makes every browser that \
subscribed with the old one subscribe again.";

pub(super) const OPENAPI: &str = "\
Example:
  storyclip openapi > openapi.json

A running daemon gives the same document at /openapi.json, and shows it as a page at /docs.";

pub(super) const PUBLISH: &str = "\
Examples:
  storyclip publish clips.json --watch
  make-clips | storyclip publish -

The file is the body of POST /api/metricool/publish/stories:
  { \"userId\": \"u1\",
    \"posts\": [ {\"id\": \"clip_1\", \"url\": \"https://cdn.example/clip_1.mp4\"} ],
    \"settings\": {\"accountId\": \"5372118\", \"network\": \"facebook\"} }

Once is once: each invocation makes a new idempotency key and, if the connection is lost before the answer \
comes, asks again with the same key, so nothing is published twice. Should that fail, too, the error names the \
key: run the command again with --idempotency-key KEY and the same file, and you get the answer of the first call \
if it arrived; if it did not, the batch is published now.

Running the command again WITHOUT that option publishes the file again. Scripts that may be repeated as a whole \
should pass a key of their own, such as a job number; the daemon remembers it for 7 days.

With --json the answer is printed as it came, and with --watch the stream's messages after it, one a line.

Exit codes: 0 accepted (with --watch: every clip was published), 1 refused or unreachable, 3 (with --watch) the \
batch ended otherwise.";

pub(super) const WATCH: &str = "\
Example:
  storyclip watch batch_1761725644409_k3f9a1c2z

On a terminal there are progress bars, otherwise a line per change, and with --json the stream's own messages. A lost connection is taken up again where \
it broke; leaving with Ctrl-C changes nothing about the batch. What happened before is shown first, and it ends with the batch, \
or where the batch is paused and waits for a person.

Exit codes: 0 every clip was published, 1 unknown batch or unreachable daemon, 3 the batch ended otherwise or is paused.";

pub(super) const BATCHES: &str = "\
Examples:
  storyclip batches --user u1
  storyclip batches --json      the whole tenant (needs a key with the scope admin)";

pub(super) const SHOW: &str = "\
Examples:
  storyclip show batch_1761725644409_k3f9a1c2z
  storyclip show batch_1761725644409_k3f9a1c2z --json | jq '.batch.clips[] | select(.status == \"held\")'

WHEN is the instant at which a clip went live, or that of its next try, or its slot. POST is the provider's id. \
Words of STATUS that are not plain: queued (due, but held back; the last column says by what), uncertain (the \
answer of the publishing call was lost: the network is being asked), held (nobody but a person can tell: \
storyclip resolve).";

pub(super) const HISTORY: &str = "\
Examples:
  storyclip history --user u1
  storyclip history --status failed --from 2026-12-01T00:00:00Z
  storyclip history --json | jq -r '.batches[].batchId'     the whole tenant (needs a key with the scope admin)

TOOK is the time from the start of the first clip to the end. What is under way: storyclip batches.";

pub(super) const DOCTOR: &str = "\
Examples:
  storyclip doctor
  storyclip doctor --config /etc/storyclip.toml --json
  systemd-run --pipe --wait -p EnvironmentFile=/etc/storyclip/environment storyclip doctor     as a service would

It looks at the settings, the database, the daemon and the key of the client commands, the port, this machine's \
clock, the way to Metricool and the token. Run it with the environment of the daemon, because that is what it \
judges. Nothing is changed and nothing is published. A SQLite file is opened only while no daemon has it, and a \
daemon that is started in just that second is refused and has to be started again.

Exit codes: 0 a daemon can do its work (also with warnings), 1 something failed.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  storyclip completions bash > /etc/bash_completion.d/storyclip
  storyclip completions zsh > ~/.zfunc/_storyclip
  storyclip completions fish > ~/.config/fish/completions/storyclip.fish";

pub(super) const MAN: &str = "\
Examples:
  storyclip man | man -l -
  storyclip man resolve | man -l -
  storyclip man --folder /usr/local/share/man/man1      a page for each command";

pub(super) const PAUSE: &str = "\
Example:
  storyclip pause batch_1761725644409_k3f9a1c2z

A clip that is on its way is followed to its end; what is live stays live. Pausing again changes nothing.";

pub(super) const RESUME: &str = "\
Example:
  storyclip resume batch_1761725644409_k3f9a1c2z

Whatever paused it: a person, a failed clip under the policy hold (the batch goes on past it), or an actor that \
kept failing. A clip that is held may pause it again at once: decide about it with storyclip resolve.";

pub(super) const CANCEL: &str = "\
Example:
  storyclip cancel batch_1761725644409_k3f9a1c2z

No clip starts any more. A post is taken back where the network surely has not begun with it, else it is followed \
to its end; what is live stays live. A cancelled batch cannot be resumed.";

pub(super) const RETRY: &str = "\
Examples:
  storyclip retry batch_1761725644409_k3f9a1c2z        every failed clip
  storyclip retry batch_1761725644409_k3f9a1c2z 3 5    these two

Nothing is sent twice: the network is asked about the old post first. Live: the clip is published and nothing is \
sent. Failed: it is sent again. Still pending: it stays failed, because it may go live yet. Unknown: it is looked \
for, and held if nobody can tell. A finished batch goes on for it.";

pub(super) const RESOLVE: &str = "\
Examples:
  storyclip resolve batch_1761725644409_k3f9a1c2z 3 adopt 300000001    this post is clip 3
  storyclip resolve batch_1761725644409_k3f9a1c2z 3 retry              it is not live: send it again
  storyclip resolve batch_1761725644409_k3f9a1c2z 3 drop               leave it

A clip is held when nobody but a person can tell whether it is live: the answer of the call that publishes was \
lost, and the network's list does not settle it. Look at the network. If the story is there, adopt its post, \
whose id the planner shows. If it is surely not there, retry; a wrong retry publishes it twice. What is known \
about it: GET /api/metricool/batch/BATCH/attempts. Other clips of the batch are not touched.";

pub(super) const KEYS: &str = "\
Examples:
  storyclip keys create --scope publish --scope read --name backend
  storyclip keys list
  storyclip keys revoke key_3f9a1c2b4d5e

It takes a key with the scope admin, of the tenant whose keys they are. A key is shown once, when it is made: on \
standard output and nothing else there, so KEY=$(storyclip keys create …) keeps it. To replace one, make \
another, hand it out, and revoke the old one; that works at once, within seconds on other daemons of the same database, \
and open event streams end.

Scopes: publish (create batches and command them), read (read and watch), admin (everything of the tenant, keys \
included), metrics (GET /metrics, whose numbers are of all tenants; only who has it may give it).";

pub(super) const CONFIG: &str = "\
Examples:
  storyclip config --config storyclip.toml
  storyclip config --json | jq '.[] | select(.source != \"default\")'
  storyclip config --defaults > storyclip.toml  every setting, explained";

pub(super) const DEMO: &str = "\
Example:
  storyclip demo --exit-when-done

Everything happens on this machine: a daemon on a temporary database, the sandbox in place of Metricool. The \
daemon takes port 8080 if that is free. Ctrl-C ends it and removes its files. To look inside, set STORYCLIP_LOG \
(off by default here); all other settings of the environment are left out.

Exit codes: 0 done, 1 something did not start, 3 (with --exit-when-done) not every clip was published.";

pub(super) const SANDBOX: &str = "\
Examples:
  storyclip sandbox                                           whole minutes, as the real one
  storyclip sandbox --granularity-seconds 0 --confirm-ms 50..300

It speaks Metricool's API under /api and takes any token. GET /_sandbox/posts lists what went live, POST \
/_sandbox/faults sets what goes wrong, GET /_sandbox/faults shows the knobs. A daemon must be given the same \
granularity (STORYCLIP_METRICOOL_GRANULARITY_SECONDS).";
