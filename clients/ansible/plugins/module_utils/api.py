"""The JSON API of lockserver, as modules call it: no library beside Ansible's own."""

import json
import os
import time
from urllib.error import HTTPError
from urllib.parse import quote

from ansible.module_utils.urls import open_url

#: How long an answer may take, beside the time that the server is asked to wait.
ANSWER_S = 10
#: How long a server is tried that does not answer.
TRY_S = 30
PAUSE_S = 1
#: What every module takes.
ARGUMENTS = {
    "server": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
}


class Refused(Exception):
    """The server said no, or did not answer."""

    def __init__(self, detail, code=None):
        super().__init__(detail)
        self.code = code


class Server:
    """A server, as a module was told to find it."""

    def __init__(self, parameters):
        self.url = (parameters["server"] or os.environ.get("LOCK_SERVER") or "http://127.0.0.1:9090").rstrip("/")
        key = parameters["key"] or os.environ.get("LOCK_KEY")
        self.headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self.headers["Authorization"] = "Bearer " + key
        self.ca_path = parameters["ca_path"] or os.environ.get("LOCK_CA")

    def call(self, method, path, body=None, wait_s=0):
        """The answer. Everything that is asked here may be asked again, so a server that does not answer is asked for a while."""
        end = time.time() + TRY_S
        while True:
            try:
                return self._once(method, path, body, wait_s)
            except Refused as refused:
                if refused.code not in TRANSIENT or time.time() + PAUSE_S > end:
                    raise
            time.sleep(PAUSE_S)

    def _once(self, method, path, body, wait_s):
        data = None if body is None else json.dumps(body)
        try:
            answer = open_url(self.url + path, data=data, method=method, headers=self.headers, timeout=wait_s + ANSWER_S,
                              ca_path=self.ca_path, use_proxy=False)
            return json.loads(answer.read())
        except HTTPError as error:
            try:
                problem = json.loads(error.read())
                raise Refused(problem["detail"], problem["code"])
            except (ValueError, KeyError, TypeError):
                raise Refused("%s answered %s, and not as a lockserver does" % (self.url, error.code))
        except (OSError, ValueError) as error:
            raise Refused("%s does not answer: %s" % (self.url, error), NO_ANSWER)


#: The code of our own for that.
NO_ANSWER = "no_answer"
#: Refusals that say that the server cannot now.
TRANSIENT = (NO_ANSWER, "overloaded", "shutting_down", "unavailable", "request_timeout", "limit_reached")


def of(lock):
    """The path of a lock."""
    return "/v1/locks/" + quote(lock, safe="")
