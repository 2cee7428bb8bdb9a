using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class RevokedTickets : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_Reservations_ScheduleId_ReservationId",
                table: "Reservations",
                columns: new[] { "ScheduleId", "ReservationId" },
                filter: "\"Outcome\" = 'Cancelled' AND \"ConfirmedAt\" IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_ScheduleId_ReservationId",
                table: "Reservations");
        }
    }
}
