using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Seats.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class VenuePlans : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "VenuePlanId",
                table: "Schedules",
                type: "nvarchar(32)",
                maxLength: 32,
                nullable: true,
                collation: "Latin1_General_100_BIN2");

            migrationBuilder.CreateTable(
                name: "VenuePlans",
                columns: table => new
                {
                    VenuePlanId = table.Column<string>(type: "nvarchar(32)", maxLength: 32, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Content = table.Column<byte[]>(type: "varbinary(max)", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_VenuePlans", x => x.VenuePlanId);
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "VenuePlans");

            migrationBuilder.DropColumn(
                name: "VenuePlanId",
                table: "Schedules");
        }
    }
}
