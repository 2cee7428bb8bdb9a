using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Points.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class RefusedCleaning : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateIndex(
                name: "IX_PointDeductions_CreatedAt",
                table: "PointDeductions",
                column: "CreatedAt",
                filter: "\"Status\" = 'Refused'");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "IX_PointDeductions_CreatedAt",
                table: "PointDeductions");
        }
    }
}
