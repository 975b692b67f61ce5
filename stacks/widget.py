"""The CloudWatch custom widget: a function that dashboards invoke to show the board."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.function import Code, LedgerFunction, shared_environment
from stacks.ledger import Ledger
from stacks.settings import Settings


class Widget(Construct):
    """Renders the board for CloudWatch dashboards. It reads the ledger and nothing else.

    CloudWatch invokes it with the credentials of the person who opens the dashboard, who needs
    `lambda:InvokeFunction` on it; so the function has no resource policy.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        code: Code,
        ledger: Ledger,
        key: kms.IKey,
    ) -> None:
        """Create the function."""
        super().__init__(scope, construct_id)
        self.function = LedgerFunction(
            self,
            "Function",
            code=code,
            handler="jobledger.handlers.widget.handler",
            description="Job Ledger: the board as a custom widget of CloudWatch dashboards",
            timeout=Duration.seconds(20),
            memory_size=1024,
            settings=settings,
            key=key,
            environment=shared_environment(
                table_name=ledger.table_name, ledger_scope=ledger.scope_name, settings=settings
            ),
        )
        ledger.grant_reading(self.function.own_role)
