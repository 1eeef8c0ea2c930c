from vaina.errors import FieldError, Invalid


def test_a_name_stands_in_a_message_as_go_quotes_it() -> None:
    error = Invalid.of("Pod", 'a"b\nc', [FieldError("FieldValueRequired", "spec", "Required value")])
    assert error.message == 'Pod "a\\"b\\nc" is invalid: spec: Required value'
