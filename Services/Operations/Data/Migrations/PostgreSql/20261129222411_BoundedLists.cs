using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Operations.Data.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class BoundedLists : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_Waiting",
                table: "FailedMessages");

            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_WaitingOfQueue",
                table: "FailedMessages");

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_Action_At_ActionId",
                table: "OperatorActions",
                columns: new[] { "Action", "At", "ActionId" });

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_Operator_Action_At_ActionId",
                table: "OperatorActions",
                columns: new[] { "Operator", "Action", "At", "ActionId" });

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_Operator_At_ActionId",
                table: "OperatorActions",
                columns: new[] { "Operator", "At", "ActionId" });

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_OfException",
                table: "FailedMessages",
                columns: new[] { "Status", "Kind", "ExceptionType", "FailedMessageId" });

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_OfQueue",
                table: "FailedMessages",
                columns: new[] { "Status", "Kind", "Queue", "FailedMessageId", "MessageType", "ExceptionType", "ReceivedAt" });

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_OfType",
                table: "FailedMessages",
                columns: new[] { "Status", "Kind", "MessageType", "FailedMessageId" });

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_Status_Kind_FailedMessageId",
                table: "FailedMessages",
                columns: new[] { "Status", "Kind", "FailedMessageId" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_OperatorActions_Action_At_ActionId",
                table: "OperatorActions");

            migrationBuilder.DropIndex(
                name: "IX_OperatorActions_Operator_Action_At_ActionId",
                table: "OperatorActions");

            migrationBuilder.DropIndex(
                name: "IX_OperatorActions_Operator_At_ActionId",
                table: "OperatorActions");

            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_OfException",
                table: "FailedMessages");

            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_OfQueue",
                table: "FailedMessages");

            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_OfType",
                table: "FailedMessages");

            migrationBuilder.DropIndex(
                name: "IX_FailedMessages_Status_Kind_FailedMessageId",
                table: "FailedMessages");

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_Waiting",
                table: "FailedMessages",
                column: "FailedMessageId",
                filter: "\"Status\" = 'Waiting'");

            migrationBuilder.CreateIndex(
                name: "IX_FailedMessages_WaitingOfQueue",
                table: "FailedMessages",
                columns: new[] { "Queue", "FailedMessageId" },
                filter: "\"Status\" = 'Waiting'");
        }
    }
}
