"""Credentials are not shown, and those that cannot be sent are refused by name."""

from __future__ import annotations

import pytest
from metastudio.api.auth import AccessKey, Headers, Password, Token, check_credentials, list_secrets
from metastudio.api.iam import IssuedToken
from metastudio.errors import ConfigurationError


@pytest.mark.parametrize(
    "credentials",
    [AccessKey("canary1", "canary2", "canary3"), Token("canary"), Password("canary1", "canary2", "canary3")],
)
def test_credentials_do_not_show(credentials: AccessKey | Token | Password) -> None:
    shown = f"{credentials!r} {credentials} {[credentials]}"
    assert "canary" not in shown
    assert all("canary" in secret for secret in list_secrets(credentials))
    assert "canary" not in repr(IssuedToken("canary", 1))
    headers = Headers({"X-Auth-Token": "canary"})
    assert "canary" not in f"{headers!r} {headers} {[headers]}"


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (AccessKey("", "s"), "credentials.access_key is empty"),
        (AccessKey("a", " "), "credentials.secret_key is empty"),
        (AccessKey("a", "s", ""), "credentials.security_token is empty"),
        (AccessKey("canary\n", "s"), "credentials.access_key ends with a line break"),
        (AccessKey("a", "canary\r\n"), "credentials.secret_key ends with a line break"),
        (AccessKey("a", "canary "), "credentials.secret_key has a space or line break before or after it"),
        (Token("canary\n"), "credentials.token ends with a line break"),
        (Token(" canary"), "credentials.token has a space or line break before or after it"),
        (Token("canary\r\nX-Evil: 1"), "credentials.token holds a space, a line break"),
        (Token("canaryé"), "credentials.token holds a space, a line break or a character that is not ASCII"),
        (Password("canary", "", "d"), "credentials.password is empty"),
        (Password("canary", "canary\n", "d"), "credentials.password ends with a line break"),
        (Password("canary", "p", "canary\n"), "credentials.domain_name ends with a line break"),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_by_name(
    credentials: AccessKey | Token | Password, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_credentials(credentials)
    assert words in caught.value.message
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_password_may_hold_spaces_and_any_character() -> None:
    check_credentials(Password("用户", "pass wörd", "my domain"))
