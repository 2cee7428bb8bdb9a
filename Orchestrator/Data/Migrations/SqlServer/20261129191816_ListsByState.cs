using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class ListsByState : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_ConcertId_CreatedAt",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_FailureCode_CreatedAt",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_ScheduleId_CreatedAt",
                table: "Reservations");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_OfConcert",
                table: "Reservations",
                columns: new[] { "ConcertId", "CurrentState", "CreatedAt", "ReservationId" },
                filter: "\"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_OfFailure",
                table: "Reservations",
                columns: new[] { "FailureCode", "CurrentState", "CreatedAt", "ReservationId" },
                filter: "\"FailureCode\" IS NOT NULL AND \"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_OfSchedule",
                table: "Reservations",
                columns: new[] { "ScheduleId", "CurrentState", "CreatedAt", "ReservationId", "SeatNumbers" },
                filter: "\"Deadline\" IS NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_OfConcert",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_OfFailure",
                table: "Reservations");

            migrationBuilder.DropIndex(
                name: "IX_Reservations_OfSchedule",
                table: "Reservations");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_ConcertId_CreatedAt",
                table: "Reservations",
                columns: new[] { "ConcertId", "CreatedAt" },
                filter: "\"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_FailureCode_CreatedAt",
                table: "Reservations",
                columns: new[] { "FailureCode", "CreatedAt" },
                filter: "\"FailureCode\" IS NOT NULL AND \"Deadline\" IS NULL");

            migrationBuilder.CreateIndex(
                name: "IX_Reservations_ScheduleId_CreatedAt",
                table: "Reservations",
                columns: new[] { "ScheduleId", "CreatedAt" },
                filter: "\"Deadline\" IS NULL");
        }
    }
}
