/** Where the official kit's verdict and ours part. */
export interface Delta {
  /** The kit's test, and the requirement it stands for. */
  readonly test: string;
  readonly requirement: string;
  readonly kit: string;
  readonly server: string;
  readonly reason: string;
  /** What follows from the kit's assertion for the conformance agent. */
  readonly verdict: 'red' | 'green' | 'red or green, by a switch' | 'skipped';
}

const OLD_TABLE =
  'The kit has the error table of specification 1.0.0; 1.0.1 changed it, and both are "1.0" on the wire.';
const INVERTED = 'The kit expects no error where the specification demands one.';

export const DELTAS: readonly Delta[] = [
  {
    test: 'grpc/test_status_codes.py: test_version_not_supported_returns_unimplemented',
    requirement: 'GRPC-ERR-002',
    kit: 'UNIMPLEMENTED',
    server: 'FAILED_PRECONDITION',
    reason: OLD_TABLE,
    verdict: 'red',
  },
  {
    test: 'grpc/test_status_codes.py: test_push_not_supported_returns_unimplemented',
    requirement: 'GRPC-ERR-002',
    kit: 'UNIMPLEMENTED',
    server: 'FAILED_PRECONDITION',
    reason: OLD_TABLE,
    verdict: 'red',
  },
  {
    test: 'grpc/test_status_codes.py: test_unsupported_operation_returns_unimplemented',
    requirement: 'GRPC-ERR-002',
    kit: 'UNIMPLEMENTED (asked with streaming off)',
    server: 'FAILED_PRECONDITION',
    reason: OLD_TABLE,
    verdict: 'red or green, by a switch',
  },
  {
    test: 'http_json/test_http_status.py: test_task_not_cancelable_returns_409',
    requirement: 'HTTP_JSON-STATUS-001',
    kit: '409, or 404 (it asks for a task that is not there)',
    server: '400, and 404 for a task that is not there',
    reason: OLD_TABLE,
    verdict: 'green',
  },
  {
    test: 'http_json/test_http_status.py: test_content_type_not_supported_returns_415',
    requirement: 'HTTP_JSON-STATUS-001',
    kit: '415 for a text/plain request',
    server: '415 for a request in a type that is no JSON, 400 for a part in a type that the agent does not take',
    reason: `${OLD_TABLE} A request header that is wrong gets what HTTP has for it.`,
    verdict: 'green',
  },
  {
    test: '(none)',
    requirement: 'HTTP_JSON-STATUS-001',
    kit: 'InvalidAgentResponse is 502',
    server: '500',
    reason: `${OLD_TABLE} The kit has no test for it.`,
    verdict: 'skipped',
  },
  {
    test: 'core/test_transport_behavior.py: TestRestFormat, core/test_error_handling.py: TestRestErrorStructure, http_json/test_problem_details.py: test_error_content_type',
    requirement: 'HTTP_JSON-SVC-001, HTTP_JSON-ERR-001',
    kit: 'application/json',
    server: 'application/a2a+json where the client names it, else application/json',
    reason: 'Specification 1.0.1 has a type of its own; the kit accepts `*/*` and gets plain JSON.',
    verdict: 'green',
  },
  {
    test: 'core/test_requirements.py: test_must_requirement[CORE-SEND-003]',
    requirement: 'CORE-SEND-003',
    kit: 'success for a part of type application/x-unsupported-tck-type',
    server: 'ContentTypeNotSupported',
    reason: `${INVERTED} \`TCK_ANY_MEDIA_TYPE=1\` makes the agent take every type.`,
    verdict: 'red or green, by a switch',
  },
  {
    test: 'core/test_requirements.py: test_must_requirement[CARD-EXT-001, CARD-EXT-002]',
    requirement: 'CARD-EXT-001, CARD-EXT-002',
    kit: 'an extended card for a caller without credentials',
    server: 'UnsupportedOperation while the card says that there is none',
    reason: `${INVERTED} Without the capability the kit does not ask.`,
    verdict: 'skipped',
  },
  {
    test: 'core/test_transport_behavior.py: TestRestStreaming::test_streaming_content_type',
    requirement: 'HTTP_JSON-SSE-001',
    kit: 'crashes (httpx.ResponseNotRead) when a stream is refused',
    server: '400 with UnsupportedOperation while streaming is off',
    reason: 'The kit closes the answer and reads its text afterwards. With streaming on it passes.',
    verdict: 'red or green, by a switch',
  },
  {
    test: 'core/test_error_handling.py: test_missing_required_extension_*',
    requirement: 'CORE-CAP-004',
    kit: 'a card that requires urn:a2a:tck:required-extension',
    server: 'ExtensionSupportRequired with `TCK_REQUIRED_EXTENSION=1`',
    reason:
      'No other test of the kit names the extension, so this is a run of its own (`-k TestCapabilityExtensionRequired`).',
    verdict: 'red or green, by a switch',
  },
];
