"""A Kafka broker that asks for passwords and rights, as the compose file configures its own."""

import socket

from pydantic import SecretStr

from infra.access.identities import ADMIN, IDENTITIES
from infra.embedded.kafka import KafkaServer
from infra.embedded.layout import Home
from infra.embedded.ports import LOOPBACK, free_port
from shared.errors import TickerstreamError
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings

PASSWORDS = {identity.name: f"the-password-of-{identity.name}" for identity in IDENTITIES}
ADMIN_PASSWORD = "password-of-the-administrator"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_LOGIN = f'{_PLAIN} username="{ADMIN}" password="{ADMIN_PASSWORD}" user_{ADMIN}="{ADMIN_PASSWORD}";'


def _properties(port: int, controller: int, admin: int) -> str:
    return f"""
listeners=CLIENT://{LOOPBACK}:{port},ADMIN://{LOOPBACK}:{admin},CONTROLLER://{LOOPBACK}:{controller}
advertised.listeners=CLIENT://{LOOPBACK}:{port},ADMIN://{LOOPBACK}:{admin}
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,ADMIN:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
inter.broker.listener.name=ADMIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.admin.sasl.enabled.mechanisms=PLAIN
listener.name.admin.plain.sasl.jaas.config={_LOGIN}
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={_LOGIN}
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.client.scram-sha-512.sasl.jaas.config={_SCRAM};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{ADMIN}
allow.everyone.if.no.acl.found=false
"""


class SecuredKafka(KafkaServer):
    """A broker with a listener for services and one for the administrator."""

    def __init__(self, home: Home) -> None:
        ports: list[int] = []
        for _ in range(3):
            ports.append(free_port(ports))
        super().__init__(home, ports[0], ports[1], further=_properties(*ports))
        self._admin_port = ports[2]

    @property
    def admin(self) -> KafkaSettings:
        """Settings of the administrator."""
        return _settings(f"{LOOPBACK}:{self._admin_port}", "PLAIN", ADMIN, ADMIN_PASSWORD)

    def user(self, name: str, password: str | None = None) -> KafkaSettings:
        """Settings of an identity."""
        return _settings(self.bootstrap_servers, "SCRAM-SHA-512", name, password or PASSWORDS[name])

    def healthy(self) -> bool:
        """Tell whether the administrator gets an answer."""
        try:
            with socket.create_connection((LOOPBACK, self._admin_port), 0.2):
                pass
            return bool(KafkaAdmin(self.admin, patience=0.0, answer=1.0).cluster_id())
        except (OSError, TickerstreamError):
            return False


def _settings(servers: str, mechanism: str, user: str, password: str) -> KafkaSettings:
    return KafkaSettings.load(
        kafka_bootstrap_servers=servers,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism=mechanism,
        kafka_sasl_username=user,
        kafka_sasl_password=SecretStr(password),
    )
