"""The session: where the token goes, what is retried, how the regional server is found, what errors say."""

import io
import itertools
import json
import ssl
import subprocess
import sys

import pytest
import requests
from requests import exceptions as broken
from rest_wire import ARM, API, DISCOVERY, WORKSPACE, WS, Reply, Token, found, session

from azml_magics import errors
from azml_magics.rest import Part, Request, RequestShown, Scope, Session
from azml_magics.rest.clouds import CLOUDS
from azml_magics.rest.transport import RETRIES

SIGNED = "https://acc.blob.core.windows.net/c/f?sv=1&se=2&sig=SECRETSIGNATURE%3d"
