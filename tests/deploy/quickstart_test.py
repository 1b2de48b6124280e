#!/usr/bin/env python3
"""deploy/quickstart with programs that only pretend: what it says, and that nothing stays running."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 60

# Each fake leaves its process id in $PIDS/NAME, and then does what the file $PIDS/../NAME.sh says.
FAKE = """#!/usr/bin/env bash
set -euo pipefail
name={name}
command="$1"
while (($#)); do
  case "$1" in
    --out) out="$2" ;;
    --port-file) port_file="$2" ;;
    --client-id) name="$2" ;;
    --ram-kb) ram_kb="$2" ;;
    *.yaml) config="${{1##*/}}" ;;
  esac
  shift
done
echo $$ >"$PIDS/$name"
source "$PIDS/../{name}.sh"
"""

SUMMARY = """mkdir -p "$out"
printf '{\\n  "rounds": 10,\\n  "final_eval_accuracy": %s,\\n  "total_bytes_up": %d,
  "total_bytes_down": 400,\\n  "float_bytes_up": 1000,\\n  "float_bytes_down": 400,
  "model_hash": "%s"\\n}\\n' "${ACCURACY:-0.86}" "${BYTES_UP:-260}" "${hash:-abc}" \\
  >"$out/summary.json"
"""
SERVER_BEGIN = """echo 4711 >"$port_file"
echo "listening on 127.0.0.1:4711"
until [[ -e "$PIDS/client-11" ]]; do read -r -t 0.02 <> <(:) || true; done
echo "[round 1/10] selected 12 of 12"
"""
FOREVER = "exec tail -f /dev/null\n"
# tern-sim: the plans of the study, and a run of either configuration.
GOOD_SIM = """if [[ "$command" == plan ]]; then echo "the plans of $config"; exit; fi
""" + SUMMARY + """
if [[ "$config" == quickstart.yaml ]]; then
  echo "[round 1/30] selected 30 of 200"
  printf '30 rounds, 800 updates in 9.0 s: accuracy 0.7\\nup 1 MB, down 2 MB\\nresults in x\\n'
else
  for width in 0.25 0.5 1.0; do
    printf '"width": %s,\\n"measured_peak_bytes": 2000,\\n' "$width"
  done >"$out/population.json"
fi
"""
GOOD_SERVER = SERVER_BEGIN + SUMMARY + "touch \"$PIDS/../done\"\n"
GOOD_CLIENT = "echo $ram_kb >\"$PIDS/../ram-$name\"\nuntil [[ -e \"$PIDS/../done\" ]]; do read -r -t 0.02 <> <(:) || true; done\n"


class QuickstartTest(unittest.TestCase):

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tern-quickstart-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.pids = self.directory / "pids"
        bin_directory = self.directory / "tree/build/release/bin"
        stubs = self.directory / "stubs"
        for path in (self.pids, bin_directory, stubs):
            path.mkdir(parents=True)
        shutil.copytree(ROOT / "deploy", self.directory / "tree/deploy")
        for name in ("server", "client", "sim"):
            self.write(bin_directory / f"tern-{name}", FAKE.format(name=name))
        self.write(stubs / "cmake", "#!/bin/sh\nexit 0\n")
        self.environment = dict(
            os.environ, PIDS=str(self.pids), TERN_SKIP_BOOTSTRAP="1",
            PATH=f"{stubs}:{os.environ['PATH']}")

    def write(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def start(self, server=GOOD_SERVER, client=GOOD_CLIENT, sim=GOOD_SIM, **environment):
        for name, text in (("server", server), ("client", client), ("sim", sim)):
            (self.directory / f"{name}.sh").write_text(text)
        return subprocess.Popen(
            [self.directory / "tree/deploy/quickstart"], env=self.environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for_line(self, process, text):
        """Reads the output up to a line with `text`; fails if the quickstart ends first or hangs."""
        timer = threading.Timer(TIMEOUT_S, process.kill)
        timer.start()
        self.addCleanup(timer.cancel)
        while text not in (line := process.stdout.readline()):
            self.assertNotEqual(line, "", f"ended without printing '{text}'")
        timer.cancel()

    def finish(self, process):
        out, err = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, out, err

    def running(self):
        """Names of the fakes that still run."""
        names = []
        for path in self.pids.iterdir():
            try:
                state = pathlib.Path(f"/proc/{int(path.read_text())}/stat").read_text()
            except (OSError, ValueError):
                continue
            if ") Z " not in state:
                names.append(path.name)
        return names

    def test_everything_works(self):
        status, out, err = self.finish(self.start())
        self.assertEqual((status, err), (0, ""), out)
        self.assertIn("[round 1/10] selected 12 of 12\n", out)
        self.assertIn("26.0 % of the same as 32-bit floats", out)
        self.assertIn("the same model, bit for bit", out)
        self.assertIn("client-4 to client-7     384 KiB   0.5 of the channels,  takes 2 KiB", out)
        self.assertIn("client-8 to client-11   1024 KiB   the whole model,      takes 2 KiB", out)
        self.assertIn("the plans of quickstart.yaml\n", out)
        self.assertIn("[round 1/30] selected 30 of 200\n", out)
        self.assertIn("30 rounds, 800 updates in 9.0 s: accuracy 0.7\nup 1 MB, down 2 MB\n\n", out)
        self.assertIn("/server/report.html", out)
        self.assertIn("/devices/report.html", out)
        self.assertEqual(self.running(), [])

    def test_clients_have_the_memory_that_the_configuration_says(self):
        status, out, _ = self.finish(self.start())
        self.assertEqual(status, 0, out)
        config = (ROOT / "simulation/configs/deployment.yaml").read_text()
        classes = [int(ram) for ram in re.findall(r"ram_bytes: (\d+)", config)]
        self.assertEqual(len(classes), 3)
        for client in range(12):
            ram_kb = int((self.directory / f"ram-client-{client}").read_text())
            self.assertEqual(1024 * ram_kb, classes[client // 4], client)

    def test_low_accuracy_is_a_failure(self):
        status, _, err = self.finish(self.start(ACCURACY="0.849"))
        self.assertEqual(status, 1)
        self.assertIn("accuracy: 0.849, at least 0.85 expected", err)

    def test_unknown_accuracy_is_a_failure(self):
        status, _, err = self.finish(self.start(ACCURACY="null"))
        self.assertEqual(status, 1)
        self.assertIn("accuracy: null", err)

    def test_too_many_bytes_are_a_failure(self):
        status, _, err = self.finish(self.start(BYTES_UP="271"))
        self.assertEqual(status, 1)
        self.assertIn("bytes up: 271, at most 27 % of 1000 expected", err)

    def test_a_client_that_fails_is_named_with_its_last_lines(self):
        client = f"[[ $name != client-3 ]] || {{ echo no battery; exit 7; }}\n{FOREVER}"
        status, _, err = self.finish(self.start(SERVER_BEGIN + FOREVER, client))
        self.assertEqual(status, 1)
        self.assertIn("no battery", err)
        self.assertIn("client-3 ended early, with exit status 7", err)
        self.assertEqual(self.running(), [])

    def test_a_server_that_does_not_start_is_named_with_its_last_lines(self):
        status, _, err = self.finish(self.start("echo no such file >&2; exit 1\n"))
        self.assertEqual(status, 1)
        self.assertIn("no such file", err)
        self.assertIn("server ended early, with exit status 1", err)

    def test_a_server_that_dies_between_rounds_is_named(self):
        status, out, err = self.finish(self.start(SERVER_BEGIN + "exit 3\n", FOREVER))
        self.assertEqual(status, 1)
        self.assertIn("[round 1/10]", out)
        self.assertIn("server ended early, with exit status 3", err)
        self.assertEqual(self.running(), [])

    def test_a_simulator_that_fails_is_a_failure(self):
        status, _, err = self.finish(self.start(sim="echo out of disk; exit 1\n"))
        self.assertEqual(status, 1)
        self.assertIn("out of disk", err)

    def test_another_model_in_the_simulator_is_a_failure(self):
        status, _, err = self.finish(self.start(sim="hash=abd\n" + GOOD_SIM))
        self.assertEqual(status, 1)
        self.assertIn("the simulator's model differs from the deployment's", err)

    def test_a_study_that_fails_is_a_failure(self):
        sim = GOOD_SIM + "[[ $config != quickstart.yaml ]] || { echo no device is on; exit 1; }\n"
        status, out, err = self.finish(self.start(sim=sim))
        self.assertEqual(status, 1)
        self.assertIn("[round 1/30]", out)
        self.assertIn("no device is on", err)

    def test_an_interrupt_ends_every_process(self):
        for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            # The server does not end by itself, and has a child.
            process = self.start(
                "tail -f /dev/null & echo $! >\"$PIDS/child\"\n" + SERVER_BEGIN + "wait\n", FOREVER)
            self.wait_for_line(process, "[round 1/10]")
            self.assertEqual(len(self.running()), 14)
            process.send_signal(number)
            status, _, _ = self.finish(process)
            self.assertEqual(status, expected)
            self.assertEqual(self.running(), [])
            for path in self.pids.iterdir():
                path.unlink()
            shutil.rmtree(self.directory / "tree/runs")

    def test_an_interrupt_of_the_build_ends_it(self):
        self.write(self.directory / "stubs/cmake",
                   "#!/usr/bin/env bash\n[[ $1 == --build ]] || exit 0\n"
                   "echo $$ >\"$PIDS/cmake\"; echo compiling\n" + FOREVER)
        process = self.start()
        self.wait_for_line(process, "compiling")
        process.send_signal(signal.SIGINT)
        status, _, _ = self.finish(process)
        self.assertEqual(status, 130)
        self.assertEqual(self.running(), [])

    def test_processes_end_even_if_the_quickstart_is_killed(self):
        process = self.start(SERVER_BEGIN + FOREVER, FOREVER)
        self.wait_for_line(process, "[round 1/10]")
        process.kill()
        self.finish(process)
        deadline = time.monotonic() + TIMEOUT_S
        while self.running() and time.monotonic() < deadline:
            pass
        self.assertEqual(self.running(), [])

    def test_a_directory_with_a_run_is_refused(self):
        out = self.directory / "run"
        (out / "server").mkdir(parents=True)
        result = subprocess.run([self.directory / "tree/deploy/quickstart", "--out", out],
                                env=self.environment, capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("holds a run already", result.stderr)


if __name__ == "__main__":
    unittest.main()
