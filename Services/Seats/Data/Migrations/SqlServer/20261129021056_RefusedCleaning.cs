using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Seats.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class RefusedCleaning : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_SeatHolds_UpdatedAt",
                table: "SeatHolds",
                column: "UpdatedAt",
                filter: "\"Status\" IN ('Refused', 'Released')");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_SeatHolds_UpdatedAt",
                table: "SeatHolds");
        }
    }
}
