using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class UnpaidCleaning : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_Reservations_CreatedAt_UserId",
                table: "Reservations",
                columns: new[] { "CreatedAt", "UserId" },
                filter: "\"CurrentState\" IN ('Rejected', 'Expired', 'Cancelled') AND \"ConfirmedAt\" IS NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_CreatedAt_UserId",
                table: "Reservations");
        }
    }
}
