"""The CloudWatch custom widget: a function that dashboards invoke to show the board."""

from aws_cdk import Duration
from constructs import Construct

from stacks.function import Deployment, LedgerFunction


class Widget(Construct):
    """Renders the board for CloudWatch dashboards. It reads the ledger and nothing else.

    CloudWatch invokes it with the credentials of the person who opens the dashboard, who needs
    `lambda:InvokeFunction` on it; so the function has no resource policy.
    """

    def __init__(self, scope: Construct, construct_id: str, deployment: Deployment) -> None:
        """Create the function."""
        super().__init__(scope, construct_id)
        self.function = LedgerFunction(
            self,
            "Function",
            deployment,
            handler="jobledger.handlers.widget.handler",
            description="Job Ledger: the board as a custom widget of CloudWatch dashboards",
            timeout=Duration.seconds(20),
            memory_size=1024,
            environment={**deployment.environment, **deployment.showing_outputs},
        )
        deployment.ledger.grant_listing(self.function.own_role)
