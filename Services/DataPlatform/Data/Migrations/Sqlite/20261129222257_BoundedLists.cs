using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.DataPlatform.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class BoundedLists : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Deliveries_CreatedAt_DeliveryId",
                table: "Deliveries");

            migrationBuilder.DropIndex(
                name: "IX_Deliveries_Dead",
                table: "Deliveries");

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
                name: "IX_Deliveries_EventType_Status_CreatedAt_DeliveryId",
                table: "Deliveries",
                columns: new[] { "EventType", "Status", "CreatedAt", "DeliveryId" });
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
                name: "IX_Deliveries_EventType_Status_CreatedAt_DeliveryId",
                table: "Deliveries");

            migrationBuilder.CreateIndex(
                name: "IX_Deliveries_CreatedAt_DeliveryId",
                table: "Deliveries",
                columns: new[] { "CreatedAt", "DeliveryId" });

            migrationBuilder.CreateIndex(
                name: "IX_Deliveries_Dead",
                table: "Deliveries",
                column: "CreatedAt",
                filter: "\"Status\" = 'Dead'");
        }
    }
}
