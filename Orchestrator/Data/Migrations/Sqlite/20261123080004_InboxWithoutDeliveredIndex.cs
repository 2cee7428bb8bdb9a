using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class InboxWithoutDeliveredIndex : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_InboxState_Delivered",
                table: "InboxState");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_InboxState_Delivered",
                table: "InboxState",
                column: "Delivered");
        }
    }
}
