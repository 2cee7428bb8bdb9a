using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class OverviewOfOutcomes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_Reservations_UpdatedAt",
                table: "Reservations",
                column: "UpdatedAt",
                filter: "\"Deadline\" IS NULL AND \"ConfirmedAt\" IS NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_UpdatedAt",
                table: "Reservations");
        }
    }
}
