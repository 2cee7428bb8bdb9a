using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class OutcomesOfPaidReservations : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_UpdatedAt_ReservationId",
                table: "Reservations");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_UpdatedAt_ReservationId",
                table: "Reservations",
                columns: new[] { "UpdatedAt", "ReservationId" },
                filter: "\"ConfirmedAt\" IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_UpdatedAt_ReservationId",
                table: "Reservations");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_UpdatedAt_ReservationId",
                table: "Reservations",
                columns: new[] { "UpdatedAt", "ReservationId" });
        }
    }
}
