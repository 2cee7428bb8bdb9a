using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Seats.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class BoundedLists : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
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
        }
    }
}
