using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Orchestrator.Data.Migrations.PostgreSql
{
    /// <inheritdoc />
    public partial class PassesBuyOnce : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_Reservations_QueueTokenId",
                table: "Reservations",
                column: "QueueTokenId",
                unique: true,
                filter: "\"QueueTokenId\" IS NOT NULL AND \"ConfirmedAt\" IS NOT NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_Reservations_QueueTokenId",
                table: "Reservations");
        }
    }
}
