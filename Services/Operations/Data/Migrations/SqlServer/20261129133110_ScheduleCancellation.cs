using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Operations.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class ScheduleCancellation : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "ScheduleId",
                table: "Operations",
                type: "int",
                nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "ScheduleId",
                table: "Operations");
        }
    }
}
